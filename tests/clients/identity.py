"""Public clients of Intel's services against a service that asks simulated vendors.

The clients are Rust programs' libraries, unmodified; `tests/identity-clients` runs them and prints what came of each call.
"""

import json
import subprocess

from service import Service, clean_environment
from vendors import Vendors

LEG_SECONDS = 300


def run(binary, clients, scratch):
    """Starts vendors and service on one folder of simulated silicon, and runs the clients; whether all of them were served."""
    data = scratch / "data"
    service = Service(binary, data)
    case = simulate(service, scratch)
    with Vendors(binary, data) as vendors:
        case["root"] = str(scratch / "root.der")
        (scratch / "root.der").write_bytes(vendors.get("/IntelSGXRootCA.cer"))
        config = scratch / "assay.toml"
        config.write_text(vendors.configuration())
        service.options = ["--config", str(config)]
        with service:
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
