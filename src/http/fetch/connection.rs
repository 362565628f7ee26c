//! One request over one connection, to an address that was checked before it is connected to.
//!
//! Name resolution happens once, here, and the connection goes to what it said: a name that resolves otherwise a moment
//! later changes nothing. There is no proxy, no cookie and no redirect at this level.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, USER_AGENT};
use axum::http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Position, Url};

use super::Fault;
use super::allow::Target;

/// Longest wait for a connection to one address.
const CONNECT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// An answer whose body is still to be read, with its connection.
pub struct Answer {
    /// Head and body.
    pub response: Response<Incoming>,
    /// Carries the body; ended when this is dropped.
    _connection: Carrier,
}

/// The task that moves a connection's bytes.
struct Carrier(tokio::task::JoinHandle<()>);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks for the target.
///
/// # Errors
/// Its name leads nowhere, or only where it may not; there is no connection, or no answer.
pub async fn get(target: &Target, tls: &Tls) -> Result<Answer, Fault> {
    let url = &target.url;
    let stream = connect(&addresses(target).await?).await?;
    // Nothing is to be sent but a small head.
    let _ = stream.set_nodelay(true);
    if url.scheme() == "http" {
        return ask(url, stream).await;
    }
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
        Some(Host::Ipv4(address)) => Some(ServerName::from(std::net::IpAddr::from(address))),
        Some(Host::Ipv6(address)) => Some(ServerName::from(std::net::IpAddr::from(address))),
        None => None,
    };
    let name = name.ok_or(Fault::Unreachable("its name is none that TLS can check"))?;
    let tls = tls.connector().await?;
    match timeout(CONNECT, tls.connect(name, stream)).await {
        Ok(Ok(stream)) => ask(url, stream).await,
        Ok(Err(_)) => Err(Fault::Unreachable("TLS with its host failed")),
        Err(_) => Err(Fault::Unreachable("its host does not answer in time")),
    }
}

/// The addresses that the target's host has and that may be connected to.
async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, Fault> {
    let port = target.url.port_or_known_default().unwrap_or(443);
    let found: Vec<SocketAddr> = match target.url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => match timeout(CONNECT, lookup_host((name, port))).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(_)) | Err(_) => return Err(Fault::Unreachable("its host has no address")),
        },
        None => Vec::new(),
    };
    let reachable = found
        .into_iter()
        .filter(|address| target.reach.allows(address.ip()));
    let reachable: Vec<SocketAddr> = reachable.take(ADDRESSES).collect();
    if reachable.is_empty() {
        return Err(Fault::Refused("the host of url has no public address"));
    }
    Ok(reachable)
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Fault> {
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(Fault::Unreachable("its host cannot be connected to"))
}

async fn ask<S>(url: &Url, stream: S) -> Result<Answer, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let no_http = |_| Fault::Unreachable("its host gave no HTTP answer");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(no_http)?;
    let connection = Carrier(tokio::spawn(async move {
        // What breaks is seen by whoever reads the body.
        let _ = connection.await;
    }));
    let request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, concat!("voxproof/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "audio/*, */*;q=0.5")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Fault::Refused("url cannot be asked for"))?;
    let response = sender.send_request(request).await.map_err(no_http)?;
    Ok(Answer {
        response,
        _connection: connection,
    })
}

/// TLS with the system's certificates, which are read when the first is needed.
#[derive(Default)]
pub struct Tls(OnceCell<TlsConnector>);

impl Tls {
    async fn connector(&self) -> Result<&TlsConnector, Fault> {
        let made = self.0.get_or_try_init(|| async {
            let read = tokio::task::spawn_blocking(connector).await;
            read.map_err(io::Error::other).flatten()
        });
        made.await.map_err(|error| {
            tracing::error!(%error, "no TLS for addresses of clips");
            Fault::Unreachable("this server has no certificates to check its host by")
        })
    }
}

fn connector() -> io::Result<TlsConnector> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(io::Error::other(
            "the system has no certificates of authorities; SSL_CERT_FILE may name some",
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
