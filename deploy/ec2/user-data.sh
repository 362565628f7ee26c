#!/bin/bash
# User data of an instance with Amazon Linux 2023 or Debian 12 (x86-64). Put the archive's address and its SHA-256, as
# `make release` writes it, and the name of the parameter that holds the key (SSM, SecureString).
set -euo pipefail
ARCHIVE=https://github.com/OWNER/voxproof/releases/download/v0.1.0/voxproof-0.1.0-x86_64-unknown-linux-gnu.tar.gz
SHA256=PUT-THE-CHECKSUM-HERE
KEY_PARAMETER=/voxproof/api-key

if command -v dnf >/dev/null; then
    dnf install -y -q nginx awscli-2 tar gzip
else
    apt-get update -qq && apt-get install -y -qq nginx awscli curl
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curl -fsSL --retry 5 -o "$work/voxproof.tar.gz" "$ARCHIVE"
echo "$SHA256  $work/voxproof.tar.gz" | sha256sum --check --quiet
tar -xzf "$work/voxproof.tar.gz" -C "$work" --strip-components=1
install -m 0755 "$work/voxproof" /usr/local/bin/voxproof
install -m 0644 "$work/deploy/ec2/voxproof.service" /etc/systemd/system/voxproof.service
install -m 0644 "$work/deploy/ec2/nginx-proxy.inc" /etc/nginx/voxproof-proxy.inc

# The key never stands in user data, which everyone on the instance can read.
umask 077
key=$(aws ssm get-parameter --name "$KEY_PARAMETER" --with-decryption --query Parameter.Value --output text)
printf 'API_KEY=%s\n' "$key" > /etc/voxproof.env
umask 022

systemctl daemon-reload
systemctl enable --now voxproof
for _ in $(seq 30); do
    /usr/local/bin/voxproof health && break
    sleep 1
done
/usr/local/bin/voxproof health
# nginx with TLS: deploy/ec2/nginx.conf, once the name points here and certbot has made a certificate.
install -m 0644 "$work/deploy/ec2/nginx.conf" /etc/nginx/voxproof.conf.example
