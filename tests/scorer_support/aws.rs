//! The calls to S3 and SQS that the tests make themselves. moto wants no signatures.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// S3 and SQS at a port of the loopback.
pub struct Aws {
    port: u16,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value, without quotes around it.
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().trim_matches('"').to_owned())
        })
    }
}

pub fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:123456789012:{name}")
}

/// Sends one request and reads the answer to its end.
pub fn ask(port: u16, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: answer[end + 4..].to_vec(),
    }
}

/// A key as a path has it.
pub fn path(key: &str) -> String {
    key.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || b"/._-~".contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

impl Aws {
    pub fn at(port: u16) -> Self {
        Self { port }
    }

    fn s3(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nContent-Type: application/octet-stream\r\n{more}\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        );
        ask(self.port, &head, body)
    }

    #[track_caller]
    fn s3_ok(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Answer {
        let answer = self.s3(method, path, more, body);
        let said = String::from_utf8_lossy(&answer.body);
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {}: {said}",
            answer.status
        );
        answer
    }

    pub fn create_bucket(&self, bucket: &str) {
        self.s3_ok("PUT", &format!("/{bucket}"), "", b"");
    }

    pub fn delete_bucket(&self, bucket: &str) {
        self.s3_ok("DELETE", &format!("/{bucket}"), "", b"");
    }

    pub fn keep_versions(&self, bucket: &str) {
        let body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.s3_ok("PUT", &format!("/{bucket}?versioning"), "", body);
    }

    pub fn notify(&self, bucket: &str, queue: &str) {
        let body = format!(
            "<NotificationConfiguration><QueueConfiguration><Id>uploads</Id><Queue>{}</Queue>\
             <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>",
            queue_arn(queue)
        );
        self.s3_ok(
            "PUT",
            &format!("/{bucket}?notification"),
            "",
            body.as_bytes(),
        );
    }

    /// Uploads an object; gives its ETag and, where the bucket keeps versions, its version.
    pub fn put(&self, bucket: &str, key: &str, body: &[u8]) -> (String, Option<String>) {
        self.put_with(bucket, key, "", body)
    }

    pub fn put_with(
        &self,
        bucket: &str,
        key: &str,
        headers: &str,
        body: &[u8],
    ) -> (String, Option<String>) {
        let answer = self.s3_ok("PUT", &format!("/{bucket}/{}", path(key)), headers, body);
        (
            answer.header("etag").unwrap(),
            answer.header("x-amz-version-id"),
        )
    }

    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.s3_ok("GET", &format!("/{bucket}/{}", path(key)), "", b"")
            .body
    }

    pub fn remove(&self, bucket: &str, key: &str) {
        self.s3_ok("DELETE", &format!("/{bucket}/{}", path(key)), "", b"");
    }

    /// The keys of a bucket, in order.
    pub fn list(&self, bucket: &str) -> Vec<String> {
        let answer = self.s3_ok("GET", &format!("/{bucket}?list-type=2"), "", b"");
        let text = String::from_utf8(answer.body).unwrap();
        text.split("<Key>")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap())
            .map(|key| key.replace("&amp;", "&"))
            .collect()
    }

    fn sqs(&self, action: &str, body: &Value) -> Value {
        let head = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
        );
        let answer = ask(self.port, &head, body.to_string().as_bytes());
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{action}: {said}");
        serde_json::from_str(&said).unwrap_or_default()
    }

    fn url(&self, queue: &str) -> String {
        format!("http://127.0.0.1:{}/123456789012/{queue}", self.port)
    }

    pub fn create_queue(&self, name: &str, attributes: &Value) {
        self.sqs(
            "CreateQueue",
            &json!({"QueueName": name, "Attributes": attributes}),
        );
    }

    pub fn send(&self, queue: &str, body: &str) {
        self.sqs(
            "SendMessage",
            &json!({"QueueUrl": self.url(queue), "MessageBody": body}),
        );
    }

    /// Up to ten messages; they stay until they are deleted.
    pub fn receive(&self, queue: &str) -> Vec<Value> {
        let body = json!({"QueueUrl": self.url(queue), "MaxNumberOfMessages": 10});
        let answer = self.sqs("ReceiveMessage", &body);
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub fn delete(&self, queue: &str, receipt: &str) {
        let body = json!({"QueueUrl": self.url(queue), "ReceiptHandle": receipt});
        self.sqs("DeleteMessage", &body);
    }
}
