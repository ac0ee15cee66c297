"""`az-snp-vtpm`, unmodified, and plain curl at 169.254.169.254, which is `assay agent thim` in a network of its own.

The report and the certificate are real ones, of the vectors: what is simulated is not served outside of loopback addresses. The agent gets
the certificate before, from a server that answers as AMD's does, and has it in its cache when the network is gone.
"""

import http.server
import os
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

from service import STOP_SECONDS, clean_environment, free_port

ADDRESS = "169.254.169.254"
CERTIFICATION = "/metadata/THIM/amd/certification"
SECONDS = 60
# In the network of its own: program, client, and what the agent is told of its machine.
SCRIPT = f"""
assay="$1"; client="$2"; shift 2
ip link set lo up && ip addr add {ADDRESS}/32 dev lo
"$assay" agent thim "$@" & agent=$!
for _ in $(seq 200); do curl -sf -o ready http://{ADDRESS}/readyz && break; sleep 0.05; done
curl -sf -H Metadata:true http://{ADDRESS}{CERTIFICATION} -o answer && echo "ok   curl: the answer came"; curled=$?
"$client"; fetched=$?
kill -TERM $agent; wait $agent
echo "ok   $curled $fetched" >result
[ $curled = 0 ] && [ $fetched = 0 ]
"""


def run(case, client, vectors, scratch):
    """Whether the client got certificates that it believes; None where this machine cannot try it."""
    if not has_network_namespaces():
        print("!!! SKIPPED: without unshare, ip and curl there is no network with 169.254.169.254 to try", flush=True)
        return None
    samples = pathlib.Path(vectors) / "snp" / "milan"
    report = (samples / "coco-report.bin").read_bytes()
    (scratch / "report").write_bytes(report)
    tls = pathlib.Path(case["ca"]).parent
    with Central(tls, path_of(report), (samples / "coco-vcek.der").read_bytes()) as central:
        machine = ["--report", "report", "--product", "Milan", "--ca", case["ca"], "--upstream", central.url]
        fill_cache([case["binary"], "agent", "thim", *machine, "--cache", "cache"], scratch)
    command = ["unshare", "-rn", "bash", "-c", SCRIPT, "script", case["binary"], str(client), *machine, "--cache", "cache"]
    with (scratch / "agent.log").open("wb") as log:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stderr=log, cwd=scratch, timeout=SECONDS, env=without_proxies()
        )
    if done.returncode != 0:
        print((scratch / "agent.log").read_text(errors="replace"))
    return done.returncode == 0 and (scratch / "result").read_text() == "ok   0 0\n"


def fill_cache(command, scratch):
    """Runs the agent on a loopback address until it has what it serves."""
    url = f"127.0.0.1:{free_port()}"
    with (scratch / "first.log").open("wb") as log:
        agent = subprocess.Popen(
            [*command, "--listen", url], stdin=subprocess.DEVNULL, stderr=log, cwd=scratch, env=without_proxies()
        )
    try:
        deadline = time.monotonic() + SECONDS
        request = urllib.request.Request(f"http://{url}{CERTIFICATION}", headers={"Metadata": "true"})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5):
                    return
            except (OSError, urllib.error.URLError) as error:
                if time.monotonic() > deadline or agent.poll() is not None:
                    raise RuntimeError((scratch / "first.log").read_text(errors="replace")) from error
            time.sleep(0.1)
    finally:
        agent.terminate()
        try:
            agent.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()


class Central:
    """Context manager: one certificate where AMD's service has it, over TLS with the certificate of a data folder."""

    def __init__(self, tls, path, certificate):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                found = self.path == path
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(certificate) if found else 0))
                self.end_headers()
                self.wfile.write(certificate if found else b"")

            def log_message(self, *_):
                """The path names the chip."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "server.pem", tls / "server.key")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


def path_of(report):
    """Where AMD has the certificate of this report's chip and TCB (offsets of AMD 56860, table 23)."""
    levels = {"blSPL": 0x180, "teeSPL": 0x181, "snpSPL": 0x186, "ucodeSPL": 0x187}
    query = "&".join(f"{name}={report[offset]:02}" for name, offset in levels.items())
    return f"/vcek/v1/Milan/{report[0x1A0:0x1E0].hex()}?{query}"


def has_network_namespaces():
    def works(*command):
        try:
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10).returncode == 0
        except OSError:
            return False

    return works("unshare", "-rn", "ip", "link", "set", "lo", "up") and works("curl", "--version")


def without_proxies():
    """Nothing of this stands behind a proxy."""
    return {name: value for name, value in clean_environment().items() if not name.lower().endswith("_proxy")}
