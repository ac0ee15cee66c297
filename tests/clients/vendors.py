"""The simulated vendors under test: `assay simulate upstream` on a data folder, on loopback."""

import json
import signal
import ssl
import subprocess
import urllib.request

from service import STOP_SECONDS, clean_environment


class Vendors:
    """Context manager: serves what Intel and AMD serve while the block runs, and is stopped by its process id."""

    def __init__(self, binary, folder):
        self._command = [str(binary), "simulate", "upstream", "--data", str(folder), "--format", "json"]

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=clean_environment()
        )
        try:
            line = json.loads(self._process.stdout.readline())
            self.url, self.ca = line["url"], line["authority"]
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error):
        self._stop()

    def _stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process.stdout.close()

    def get(self, path):
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30, context=context) as answer:
            return answer.read()

    def configuration(self):
        """A service with this asks these vendors, and nobody else."""
        url, ca, root_crl = (json.dumps(text) for text in (self.url, str(self.ca), f"{self.url}/IntelSGXRootCA.der"))
        upstream = f"url = {url}\nca_file = {ca}\nrequests_per_second = 100\nburst = 100\n"
        return (
            f'[[collateral.upstreams]]\nkind = "pcs"\nroot_crl_url = {root_crl}\n{upstream}'
            f'[[collateral.upstreams]]\nkind = "kds"\n{upstream}'
            f"[egress]\nallow = [{json.dumps(self.url.removeprefix('https://'))}]\n"
        )
