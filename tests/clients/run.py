"""Starts a service with simulated silicon and runs real clients against it.

Usage: run.py [LEG]...        legs: smoke smoke-isolated azure-python azure-js pyjwt jose identity az-snp-vtpm (all of them)

Environment: ASSAY_BIN (target/debug/assay), ASSAY_IDENTITY_CLIENTS (the program of `tests/identity-clients`; without it that leg is
skipped), ASSAY_AZ_SNP_VTPM (likewise, of the client that links a library of the system), ASSAY_NODE (node), ASSAY_NODE_MODULES (where npm put the JavaScript clients),
ASSAY_SHARED or ASSAY_VECTORS (where the smoke script that comes with the vectors is found; without either it is skipped).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import identity
import metadata
from certificates import write_signer
from service import Service

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384")
LEG_SECONDS = 300


def main(wanted):
    unknown = set(wanted) - set(LEGS)
    if unknown:
        print(f"unknown leg: {', '.join(sorted(unknown))}; there are: {' '.join(LEGS)}", file=sys.stderr)
        return 2
    binary = pathlib.Path(os.environ.get("ASSAY_BIN", ROOT / "target" / "debug" / "assay"))
    results = {}
    with tempfile.TemporaryDirectory(prefix="assay-clients-") as scratch:
        scratch = pathlib.Path(scratch)
        with Service(binary, scratch / "data") as service:
            case = prepare(service, scratch)
            for name in wanted or LEGS:
                print(f"\n--- {name}", flush=True)
                results[name] = outcome(LEGS[name](case))
            if "FAILED" in results.values():
                print(service.log_tail())
    return report(results)


def outcome(result):
    """What a leg gives: whether it passed, or None if it was skipped."""
    return "SKIPPED" if result is None else "passed" if result else "FAILED"


def report(results):
    """Prints a table of the legs; what was not run stands out from what passed."""
    print("\nclients:")
    for name, result in results.items():
        print(f"  {name:<16}{result}")
    failed = [name for name, result in results.items() if result == "FAILED"]
    skipped = [name for name, result in results.items() if result == "SKIPPED"]
    passed = len(results) - len(failed) - len(skipped)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    if failed:
        print(f"failed: {' '.join(failed)}; one leg again: make test-clients LEG={failed[0]}")
    return 1 if failed else 0


def prepare(service, scratch):
    """Evidence, providers and signers: all that the legs need to know, also written to a file for them."""
    sgx, report, signers = scratch / "sgx", scratch / "open-enclave", scratch / "signers"
    service.simulate("sgx", sgx)
    service.simulate("open-enclave", report, "--runtime-data", str(sgx / "runtime-data.bin"))
    signers.mkdir()
    made = {name: write_signer(signers, name) for name in ("first", "second", "stranger")}
    made["ec"] = write_signer(signers, "ec", "ec")
    case = {
        "binary": service.binary,
        "base": service.url,
        "isolated": service.create_provider("iso", "--isolated", made["first"]["certificate"]),
        "oidc": {name: service.create_provider(name.lower(), "--algorithm", name) for name in ALGORITHMS},
        "ca": str(service.ca),
        "token": service.token(),
        "sgx": files(sgx),
        "open_enclave": files(report),
        "signers": made,
    }
    case["file"] = str(scratch / "case.json")
    pathlib.Path(case["file"]).write_text(json.dumps(case))
    return case


def files(folder):
    return {
        "evidence": str(folder / "evidence.bin"),
        "runtime": str(folder / "runtime-data.bin"),
        "request": str(folder / "request.json"),
    }


def smoke(case, isolated=False):
    """The script that was measured against the real service's recordings; it lies with the vectors, outside this repository."""
    script = smoke_script()
    if script is None:
        print("!!! SKIPPED: clients/python_smoke.py was not found through ASSAY_SHARED or ASSAY_VECTORS", flush=True)
        return None
    environment = {
        "MAA_BASE_URL": case["isolated"] if isolated else case["base"],
        "MAA_CA": case["ca"],
        "MAA_TOKEN": case["token"],
        "MAA_SIGNER_KEY": case["signers"]["first"]["key"],
        "MAA_SIGNER_CERT": case["signers"]["first"]["certificate"],
        "MAA_QUOTE": case["sgx"]["evidence"],
        "MAA_RUNTIME": case["sgx"]["runtime"],
        "MAA_OE_REPORT": case["open_enclave"]["evidence"],
    }
    if isolated:
        # Only a provider that trusts signers has a list of them to change.
        environment |= {"MAA_ISOLATED": "1", "MAA_SIGNER2_CERT": case["signers"]["second"]["certificate"]}
    return run([sys.executable, str(script)], environment)


def smoke_script():
    folders = []
    if "ASSAY_SHARED" in os.environ:
        folders.append(pathlib.Path(os.environ["ASSAY_SHARED"]))
    if "ASSAY_VECTORS" in os.environ:
        folders.append(pathlib.Path(os.environ["ASSAY_VECTORS"]).parent)
    scripts = [folder / "clients" / "python_smoke.py" for folder in folders]
    return next((script for script in scripts if script.is_file()), None)


def identity_clients(case):
    """With a service of its own, which has vendors to ask."""
    if "ASSAY_IDENTITY_CLIENTS" not in os.environ:
        print("!!! SKIPPED: ASSAY_IDENTITY_CLIENTS does not say where the program of tests/identity-clients is", flush=True)
        return None
    with tempfile.TemporaryDirectory(prefix="assay-identity-clients-") as scratch:
        return identity.run(case["binary"], os.environ["ASSAY_IDENTITY_CLIENTS"], pathlib.Path(scratch))


def metadata_client(case):
    """With real evidence, and no service: the agent serves from its cache."""
    if "ASSAY_AZ_SNP_VTPM" not in os.environ:
        print("!!! SKIPPED: ASSAY_AZ_SNP_VTPM does not say where the program that runs az-snp-vtpm is", flush=True)
        return None
    if "ASSAY_VECTORS" not in os.environ:
        print("!!! SKIPPED: set ASSAY_VECTORS to the folder of real evidence", flush=True)
        return None
    with tempfile.TemporaryDirectory(prefix="assay-metadata-") as scratch:
        program = pathlib.Path(os.environ["ASSAY_AZ_SNP_VTPM"]).resolve()
        return metadata.run(case, program, os.environ["ASSAY_VECTORS"], pathlib.Path(scratch))


def python(script):
    return lambda case: run([sys.executable, str(HERE / script), case["file"]])


def javascript(script):
    def leg(case):
        # The JavaScript client has no option for a private authority; node reads this at its start.
        return run([os.environ.get("ASSAY_NODE", "node"), str(HERE / script), case["file"]], {"NODE_EXTRA_CA_CERTS": case["ca"]})

    return leg


def run(command, environment=None):
    defaults = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, timeout=LEG_SECONDS, env={**os.environ, **defaults, **(environment or {})}
        )
    except subprocess.TimeoutExpired:
        print(f"FAIL: not finished within {LEG_SECONDS} s")
        return False
    return done.returncode == 0


LEGS = {
    "smoke": smoke,
    "smoke-isolated": lambda case: smoke(case, isolated=True),
    "azure-python": python("python_sdk.py"),
    "azure-js": javascript("js_sdk.mjs"),
    "pyjwt": python("oidc.py"),
    "jose": javascript("oidc.mjs"),
    "identity": identity_clients,
    "az-snp-vtpm": metadata_client,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
