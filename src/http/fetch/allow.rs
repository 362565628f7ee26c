//! Which addresses of the web may be fetched: hosts that the operator lists.

use url::{Host, Position, Url};

use super::address::Reach;
use crate::http::config::ConfigError;

/// Hosts on the internet, and origins inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    hosts: Vec<Pattern>,
    inside: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// This host.
    Exactly(Host),
    /// Hosts below this one, which begins with a dot; not itself.
    Below(String),
}

/// What may be fetched, and over which connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub url: Url,
    /// Who may be connected to for it.
    pub reach: Reach,
}

impl Allowed {
    /// Those of `URL_HOSTS` and `URL_HOSTS_INSIDE`; `None` where neither is set.
    ///
    /// # Errors
    /// A value that cannot be used.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let list = |name: &str| -> Vec<String> {
            let list = var(name).unwrap_or_default();
            let entries = list.split(',').map(|entry| entry.trim().to_owned());
            entries.filter(|entry| !entry.is_empty()).collect()
        };
        let hosts = list("URL_HOSTS").into_iter().map(|entry| {
            pattern(&entry).ok_or_else(|| ConfigError::BadValue {
                variable: "URL_HOSTS",
                found: format!("'{entry}'"),
                accepted: "names of hosts such as media.example.org or *.example.org, separated by commas",
            })
        });
        let inside = list("URL_HOSTS_INSIDE").into_iter().map(|entry| {
            origin(&entry).ok_or_else(|| ConfigError::BadValue {
                variable: "URL_HOSTS_INSIDE",
                found: format!("'{entry}'"),
                accepted: "origins such as http://minio:9000 or https://store.internal, separated by commas",
            })
        });
        let allowed = Self {
            hosts: hosts.collect::<Result<_, _>>()?,
            inside: inside.collect::<Result<_, _>>()?,
        };
        Ok((allowed != Self::default()).then_some(allowed))
    }

    /// Whether this may be fetched, and over which connections; otherwise what is wrong with it.
    ///
    /// # Errors
    /// It has a user's name, is not https at its ordinary port, or its host is not listed; origins inside are as listed.
    pub fn check(&self, url: Url) -> Result<Target, &'static str> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("url must begin with https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("url may not have a user's name or password");
        }
        if self.inside.iter().any(|origin| *origin == written(&url)) {
            let reach = Reach::Inside;
            return Ok(Target { url, reach });
        }
        if url.scheme() != "https" {
            return Err("url must begin with https://");
        }
        if url.port().is_some() {
            return Err("url may not name a port");
        }
        let host = url.host().map(|host| host.to_owned());
        if host.is_none_or(|host| !self.hosts.iter().any(|pattern| pattern.fits(&host))) {
            return Err("the host of url is not one that this server may fetch from");
        }
        let reach = Reach::Public;
        Ok(Target { url, reach })
    }
}

impl Pattern {
    fn fits(&self, host: &Host) -> bool {
        match (self, host) {
            (Pattern::Exactly(listed), host) => listed == host,
            (Pattern::Below(suffix), Host::Domain(name)) => {
                name.len() > suffix.len() && name.ends_with(suffix.as_str())
            }
            (Pattern::Below(_), _) => false,
        }
    }
}

fn pattern(entry: &str) -> Option<Pattern> {
    // The parser takes a star for part of a name.
    let host = |name: &str| Host::parse(name).ok().filter(|_| !name.contains('*'));
    let Some(suffix) = entry.strip_prefix("*.") else {
        return host(entry).map(Pattern::Exactly);
    };
    // A whole top-level domain is no list of hosts.
    match host(suffix)? {
        Host::Domain(name) if name.contains('.') => Some(Pattern::Below(format!(".{name}"))),
        _ => None,
    }
}

fn origin(entry: &str) -> Option<String> {
    let url = Url::parse(entry).ok()?;
    let bare = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    bare.then(|| written(&url))
}

/// Scheme, host and port; a port that is the scheme's own is left out by the parser.
fn written(url: &Url) -> String {
    url[..Position::AfterPort].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &str, inside: &str) -> Result<Option<Allowed>, ConfigError> {
        Allowed::from_vars(|name| Some(if name == "URL_HOSTS" { hosts } else { inside }.to_owned()))
    }

    #[test]
    fn only_listed_hosts_by_https_at_their_own_port_are_allowed() {
        let allowed = allowed(
            "media.example.org, *.cdn.example, bücher.example, 93.184.215.14",
            "",
        )
        .unwrap()
        .unwrap();
        let check = |url: &str| allowed.check(Url::parse(url).unwrap());
        for good in [
            "https://media.example.org/clip.mp3?signature=x",
            "https://MEDIA.example.org:443/",
            "https://a.cdn.example/",
            "https://a.b.cdn.example/",
            "https://xn--bcher-kva.example/",
            "https://93.184.215.14/",
        ] {
            assert_eq!(check(good).unwrap().reach, Reach::Public, "{good}");
        }
        for bad in [
            "http://media.example.org/",
            "ftp://media.example.org/",
            "file:///etc/passwd",
            "data:audio/wav;base64,AAAA",
            "https://media.example.org:8443/",
            "https://user@media.example.org/",
            "https://:secret@media.example.org/",
            "https://media.example.org@evil.example/",
            "https://media.example.org.evil.example/",
            "https://evil.example/media.example.org",
            "https://media.example.org./",
            "https://cdn.example/",
            "https://evilcdn.example/",
            "https://127.0.0.1/",
            "https://0x5db8d70f/",
            "https://[::1]/",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        // One number, written in another way.
        assert!(check("https://1572394766/").is_ok());
    }

    #[test]
    fn origins_inside_are_taken_as_they_are_listed() {
        let allowed = allowed("", "http://minio:9000,https://store.internal")
            .unwrap()
            .unwrap();
        let check = |url: &str| allowed.check(Url::parse(url).unwrap());
        for good in ["http://minio:9000/bucket/key", "https://store.internal/x"] {
            assert_eq!(check(good).unwrap().reach, Reach::Inside, "{good}");
        }
        for bad in [
            "http://minio/",
            "https://minio:9000/",
            "http://minio:9001/",
            "http://store.internal/",
            "http://root@minio:9000/",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_that_cannot_be_meant_are_refused_by_name() {
        assert_eq!(allowed("", " , "), Ok(None));
        for bad in [
            "*",
            "*.org",
            "https://example.org",
            "example.org/path",
            "a b",
            "*.10.0.0.1",
            "a.*.org",
        ] {
            let error = allowed(bad, "").unwrap_err().to_string();
            assert!(error.starts_with("URL_HOSTS is"), "{error}");
        }
        for bad in [
            "minio:9000",
            "http://minio:9000/bucket",
            "ftp://minio",
            "http://u@minio",
        ] {
            let error = allowed("", bad).unwrap_err().to_string();
            assert!(error.starts_with("URL_HOSTS_INSIDE is"), "{error}");
        }
    }
}
