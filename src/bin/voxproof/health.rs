//! `voxproof health`: a container's health check that needs no curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use crate::args::HealthArgs;
use crate::output::Failure;

/// A health check that hangs is a failed one.
const TIMEOUT: Duration = Duration::from_secs(5);
/// More than any honest answer of `/health`.
const MAX_ANSWER: u64 = 64 * 1024;

/// Asks `/health` and prints its body; exit 0 only for a 200.
pub fn run(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let target = format!("{}:{}", args.host, args.port);
    let answer = ask(&target)
        .map_err(|error| Failure::Run(format!("no healthy server at {target}: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) != Some("200") {
        let status = head.lines().next().unwrap_or("an empty answer");
        return Err(Failure::Run(format!(
            "no healthy server at {target}: {status}"
        )));
    }
    writeln!(anstream::stdout(), "{}", body.trim())?;
    Ok(ExitCode::SUCCESS)
}

fn ask(target: &str) -> std::io::Result<String> {
    let address = target
        .to_socket_addrs()?
        .next()
        .ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0 without keep-alive: the body ends where the connection does, in no chunks.
    write!(stream, "GET /health HTTP/1.0\r\nHost: {target}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
