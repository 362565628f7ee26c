"""deploy/ec2's site of nginx with a certificate of our own, checked by nginx or run by it."""
import subprocess
from pathlib import Path

from rootfs import ROOT

EC2 = ROOT / "deploy/ec2"
LETSENCRYPT = "/etc/letsencrypt/live/voxproof.example"


def write(folder, ports=None):
    """Writes the site's files into `folder` and returns the path of the configuration; `ports` replaces those of HTTP, HTTPS and
    the server behind."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=voxproof.example", "-addext", "subjectAltName=DNS:voxproof.example,DNS:localhost",
                    "-keyout", folder / "key.pem", "-out", folder / "chain.pem"], check=True, capture_output=True)
    site = (EC2 / "nginx.conf").read_text()
    replaced = {f"{LETSENCRYPT}/fullchain.pem": folder / "chain.pem", f"{LETSENCRYPT}/privkey.pem": folder / "key.pem",
                "/etc/nginx/voxproof-proxy.inc": EC2 / "nginx-proxy.inc"}
    if ports:
        http, https, server = ports
        replaced |= {"    listen [::]:80;\n": "", "    listen [::]:443 ssl http2;\n": "", "listen 80;": f"listen 127.0.0.1:{http};",
                     "listen 443": f"listen 127.0.0.1:{https}", "127.0.0.1:8080": f"127.0.0.1:{server}",
                     "server_name voxproof.example": "server_name voxproof.example localhost"}
    for there, instead in replaced.items():
        assert there in site, there
        site = site.replace(there, str(instead))
    (folder / "site.conf").write_text(site)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    main = folder / "nginx.conf"
    main.write_text(f"pid {folder}/pid; daemon off; error_log {folder}/error.log; events {{}}\n"
                    f"http {{ access_log off; {temporary} include {folder}/site.conf; }}\n")
    return main
