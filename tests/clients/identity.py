"""Public clients of Intel's services against a service that asks simulated vendors.

The clients are Rust programs' libraries, unmodified; `tests/identity-clients` runs them and prints what came of each call.
"""

import hashlib
import json
import ssl
import subprocess
import urllib.request

from service import Service, clean_environment, free_port
from vendors import Vendors

LEG_SECONDS = 300
# Of PCK ID retrieval; a manifest follows where there is one.
FIELDS = ("enc_ppid", "pce_id", "cpu_svn", "pce_svn", "qe_id")
USER_TOKEN = "simulated hosts"


def run(binary, clients, scratch):
    """Starts vendors and service on one folder of simulated silicon, and runs the clients; whether all of them were served."""
    data = scratch / "data"
    service = Service(binary, data)
    case = simulate(service, scratch)
    with Vendors(binary, data) as vendors:
        case["root"] = str(scratch / "root.der")
        (scratch / "root.der").write_bytes(vendors.get("/IntelSGXRootCA.cer"))
        config = scratch / "assay.toml"
        port = free_port()
        config.write_text(vendors.configuration() + administration(port))
        service.options = ["--config", str(config)]
        with service:
            # Azure's client sends no PPID: it asks for platforms that are known.
            register(service, port, case["desktop"])
            case["base"] = service.url
            (scratch / "case.json").write_text(json.dumps(case))
            # What reads this trusts this authority alone; no client's verification of TLS is turned off.
            environment = {**clean_environment(), "SSL_CERT_FILE": str(service.ca)}
            command = [str(clients), str(scratch / "case.json")]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=LEG_SECONDS, env=environment)
            if done.returncode != 0:
                print(service.log_tail())
            asked = json.loads(vendors.get("/requests"))
            print(f"the vendors were asked {sum(asked.values())} times, on {len(asked)} routes")
            return done.returncode == 0 and len(asked) > 0


def administration(port):
    """A listener where hosts register."""
    tokens = {"user": USER_TOKEN, "admin": "nobody"}
    digests = "".join(
        f'{name}_token_sha512 = "{hashlib.sha512(token.encode()).hexdigest()}"\n' for name, token in tokens.items()
    )
    return f'[collateral.administration]\nlisten = "127.0.0.1:{port}"\n{digests}'


def register(service, port, csv):
    """What Intel's retrieval tool does on a host; the certificates come with it."""
    with open(csv, encoding="ascii") as file:
        values = file.read().strip().split(",")
    body = json.dumps({**dict(zip(FIELDS, values)), "platform_manifest": ""}).encode()
    headers = {"user-token": USER_TOKEN, "content-type": "application/json"}
    url = f"https://localhost:{port}/sgx/certification/v4/platforms"
    context = ssl.create_default_context(cafile=str(service.ca))
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30, context=context) as answer:
        assert answer.status == 200


def simulate(service, scratch):
    """Quotes and platforms, made before the service starts: it reads its vendors' roots then."""
    for ca in ("platform", "processor"):
        service.simulate("sgx", scratch / f"quote-{ca}", "--ca", ca)
        service.simulate("pckid", scratch / f"pckid-{ca}", "--ca", ca)
    return {
        "quotes": [str(scratch / f"quote-{ca}" / "evidence.bin") for ca in ("platform", "processor")],
        "desktop": str(scratch / "pckid-processor" / "pckid.csv"),
        "server": str(scratch / "pckid-platform" / "pckid.csv"),
    }
