"""PyJWT, which knows nothing of attestation, discovers a provider's keys and verifies its tokens."""

import base64
import json
import pathlib
import ssl
import sys
import time
import urllib.request

import jwt
from checks import Checks, equal, holds, raises

checks = Checks()


class Provider:
    """What a relying party has: the provider's URL, and a token that somebody sent."""

    def __init__(self, url, algorithm, ca, request):
        self.url, self.algorithm = url, algorithm
        self._tls = ssl.create_default_context(cafile=ca)
        self._request = pathlib.Path(request).read_bytes()
        self.metadata = self.fetch(f"{url}/.well-known/openid-configuration")
        self.keys = jwt.PyJWKClient(self.metadata["jwks_uri"], ssl_context=self._tls)
        self.other = None

    def fetch(self, url, body=None):
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30, context=self._tls) as answer:
            return json.load(answer)

    def attest(self):
        return self.fetch(f"{self.url}/attest/SgxEnclave?api-version=2020-10-01", self._request)["token"]

    def verify(self, token, **changes):
        key = self.keys.get_signing_key_from_jwt(token)
        arguments = {
            "algorithms": self.metadata["id_token_signing_alg_values_supported"],
            "issuer": self.metadata["issuer"],
            "options": {"require": ["iss", "exp", "iat", "nbf", "jti"]},
        }
        return jwt.decode(token, key, **{**arguments, **changes})


@checks.add
def metadata_names_the_provider_and_its_algorithm(provider):
    equal(provider.metadata["issuer"], provider.url, "issuer")
    equal(provider.metadata["jwks_uri"], f"{provider.url}/certs", "jwks_uri")
    equal(provider.metadata["id_token_signing_alg_values_supported"], [provider.algorithm], "algorithms")


@checks.add
def keys_have_plain_members_and_certificates(provider):
    for key in provider.fetch(provider.metadata["jwks_uri"])["keys"]:
        members = ("n", "e") if key["kty"] == "RSA" else ("crv", "x", "y")
        for member in ("kid", "x5c", *members):
            holds(key.get(member), f"a key has no `{member}`")
        holds("d" not in key, "a private key is published")


@checks.add
def token_verifies(provider):
    token = provider.attest()
    equal(jwt.get_unverified_header(token)["alg"], provider.algorithm, "alg")
    claims = provider.verify(token)
    equal(claims["iss"], provider.url, "iss")
    equal(claims["x-ms-attestation-type"], "sgx", "x-ms-attestation-type")
    now = int(time.time())
    holds(claims["nbf"] <= claims["iat"] <= now + 1, "token is from the future")
    holds(claims["exp"] > now, "token has expired")


@checks.add
def what_dev_mode_and_simulated_silicon_sign_is_marked(provider):
    claims = provider.verify(provider.attest())
    equal(claims.get("x-assay-dev"), True, "x-assay-dev")
    equal(claims.get("x-assay-simulated"), True, "x-assay-simulated")


@checks.add
def two_tokens_have_two_ids(provider):
    ids = {provider.verify(provider.attest())["jti"] for _ in range(2)}
    equal(len(ids), 2, "number of token ids")


@checks.add
def another_issuer_is_refused(provider):
    token = provider.attest()
    raises(jwt.InvalidIssuerError, lambda: provider.verify(token, issuer=f"{provider.url}x"))


@checks.add
def another_algorithm_is_refused(provider):
    token = provider.attest()
    others = [name for name in ("RS256", "PS256", "ES256", "ES384") if name != provider.algorithm]
    raises(jwt.InvalidAlgorithmError, lambda: provider.verify(token, algorithms=others))


@checks.add
def changed_claim_is_refused(provider):
    header, body, signature = provider.attest().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["exp"] += 1
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    raises(jwt.InvalidSignatureError, lambda: provider.verify(f"{header}.{changed}.{signature}"))


@checks.add
def token_of_another_provider_is_refused(provider):
    token = provider.other.attest()
    raises(jwt.PyJWKClientError, lambda: provider.verify(token))


def main(case_file):
    case = json.loads(pathlib.Path(case_file).read_text())
    providers = [
        Provider(url, algorithm, case["ca"], case["sgx"]["request"]) for algorithm, url in case["oidc"].items()
    ]
    failed = 0
    for position, provider in enumerate(providers):
        provider.other = providers[position - 1]
        failed += checks.run(f"pyjwt-{provider.algorithm}", provider)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
