"""A service under test: `assay serve --dev` in a folder of its own, on loopback, and the commands that administer it."""

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

READY_SECONDS = 30
STOP_SECONDS = 15
COMMAND_SECONDS = 60


class Service:
    """Context manager: runs while the block runs, and is stopped by its process id."""

    def __init__(self, binary, folder):
        self.binary = str(binary)
        self.data = pathlib.Path(folder)
        port = free_port()
        self.listen = f"127.0.0.1:{port}"
        self.url = f"https://localhost:{port}"
        self.ca = self.data / "tls" / "ca.pem"
        self.token_file = self.data / "dev" / "admin.token"
        self.options = []
        # Beside the data folder, which the service makes itself, for its owner only.
        self.log = self.data.with_suffix(".log")

    def __enter__(self):
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self.binary, "serve", "--dev", "--data", str(self.data), "--listen", self.listen, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            print(self.log_tail())
            raise
        return self

    def __exit__(self, *error):
        self._stop()

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"`assay serve` ended with {self._process.returncode} before it was ready")
            try:
                # The certificate authority is written by the service itself, so it appears some time after the start.
                context = ssl.create_default_context(cafile=str(self.ca))
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5, context=context) as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError) as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"`assay serve` was not ready within {READY_SECONDS} s: {error}") from error
            time.sleep(0.1)

    def _stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                print(f"FAIL service: it did not end within {STOP_SECONDS} s of SIGTERM")

    def token(self):
        return self.token_file.read_text().strip()

    def simulate(self, kind, out, *options):
        """Evidence of simulated silicon that this service trusts."""
        self.command("simulate", kind, "--out", str(out), "--data", str(self.data), *options)

    def create_provider(self, name, *options):
        """Makes a provider, and returns its URL."""
        self.command(
            "provider", "create", name, *options,
            "--url", self.url, "--token-file", str(self.token_file), "--ca", str(self.ca),
        )  # fmt: skip
        return f"{self.url}/providers/{name}"

    def command(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=clean_environment(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"`assay {' '.join(arguments)}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def log_tail(self, lines=30):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "--- the service's log:\n" + "\n".join(text.splitlines()[-lines:])


def clean_environment():
    """`ASSAY_*` configures the service: what this test run itself is told that way must not reach it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return {**environment, "NO_COLOR": "1"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
