"""Microsoft's unmodified azure-security-attestation drives every operation, token validation on, blocking and aio alike."""

import asyncio
import base64
import contextlib
import hashlib
import json
import pathlib
import sys
import time
from datetime import datetime

import azure.security.attestation as blocking
import azure.security.attestation.aio as aio
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.security.attestation import (
    AttestationPolicyToken,
    AttestationToken,
    AttestationTokenValidationException,
    AttestationType,
    CertificateModification,
    PolicyModification,
)
from checks import Checks, equal, holds, raises
from cryptography import x509
from cryptography.hazmat.primitives import hashes

checks = Checks()

PERMIT = "version= 1.0;authorizationrules{=> permit();};issuancerules{};"
DENY = "version= 1.0;authorizationrules{=> deny();};issuancerules{};"
ISSUE = 'version= 1.0;authorizationrules{=> permit();};issuancerules{=> issue(type="from-policy", value=7);};'
DOES_NOT_PARSE = "version= 1.0;authorizationrules{=> permit(;};issuancerules{};"
SGX = AttestationType.SGX_ENCLAVE
# Azure's answer begins "Unable to find issuer certificate"; that is its code, and not that of an unsigned policy.
UNTRUSTED_SIGNER = "InvalidParameter"


class Credential:
    """Hands out a fixed bearer token, and insists on the scope that real credentials would be asked for."""

    def __init__(self, token):
        self._token = token

    def get_token(self, *scopes, **_):
        equal(scopes, ("https://attest.azure.net/.default",), "scope")
        return AccessToken(self._token, int(time.time()) + 3600)


class AsyncCredential(Credential):
    async def get_token(self, *scopes, **_):
        return super().get_token(*scopes)

    async def close(self):
        pass


class Blocking:
    """An aio client called as if it were the blocking one, so that one list of checks serves both."""

    def __init__(self, client, loop):
        self._client, self._loop = client, loop

    def __getattr__(self, name):
        method = getattr(self._client, name)
        return lambda *args, **options: self._loop.run_until_complete(method(*args, **options))


class Clients:
    """Clients of the default provider, of the isolated one, of one that does not exist, and one with a wrong token."""

    def __init__(self, case, flavour, stack):
        self._case, self._flavour, self._stack = case, flavour, stack
        if flavour == "aio":
            self._loop = asyncio.new_event_loop()
            stack.callback(self._loop.close)
        self.base, self.isolated_base = case["base"], case["isolated"]
        self.attest, self.admin = self._pair(self.base, case["token"])
        self.isolated_attest, self.isolated_admin = self._pair(self.isolated_base, case["token"])
        self.wrong_attest, self.wrong_admin = self._pair(self.base, "not-the-token")
        self.nowhere_attest, self.nowhere_admin = self._pair(f"{self.base}/providers/nowhere", case["token"])
        read = lambda path: pathlib.Path(path).read_bytes()  # noqa: E731
        self.quote, self.runtime = read(case["sgx"]["evidence"]), read(case["sgx"]["runtime"])
        self.report, self.report_runtime = read(case["open_enclave"]["evidence"]), read(case["open_enclave"]["runtime"])
        self.signer, self.second, self.stranger = (
            {
                "signing_key": pathlib.Path(case["signers"][name]["key"]).read_text(),
                "signing_certificate": pathlib.Path(case["signers"][name]["certificate"]).read_text(),
            }
            for name in ("first", "second", "stranger")
        )

    def _pair(self, base, token):
        module = aio if self._flavour == "aio" else blocking
        credential = AsyncCredential(token) if self._flavour == "aio" else Credential(token)
        # No retries: a test wants the first answer.
        options = {"connection_verify": self._case["ca"], "retry_total": 0}
        return [
            self._own(kind(base, credential, **options))
            for kind in (module.AttestationClient, module.AttestationAdministrationClient)
        ]

    def _own(self, client):
        if self._flavour == "blocking":
            self._stack.callback(client.close)
            return client
        self._stack.callback(lambda: self._loop.run_until_complete(client.close()))
        return Blocking(client, self._loop)


def policy_hash(text):
    """`x-ms-policy-hash` is over the base64url text of the policy, not over the policy."""
    return hashlib.sha256(base64.urlsafe_b64encode(text.encode()).rstrip(b"=")).digest()


def refused(status, code, action, error=HttpResponseError):
    caught = raises(error, action)
    equal((caught.status_code, caught.error.code), (status, code), "answer")
    holds(caught.error.message, "the error has no message")


@contextlib.contextmanager
def policy(admin, text, **signer):
    """Sets the SGX policy for as long as the block runs."""
    admin.set_policy(SGX, text, **signer)
    try:
        yield
    finally:
        admin.reset_policy(SGX, **signer)


# Discovery


@checks.add
def open_id_metadata_names_issuer_and_keys(c):
    metadata = c.attest.get_open_id_metadata()
    equal(metadata["issuer"], c.base, "issuer")
    equal(metadata["jwks_uri"], f"{c.base}/certs", "jwks_uri")
    holds("RS256" in metadata["id_token_signing_alg_values_supported"], "RS256 is not offered")


@checks.add
def signing_certificates_have_key_ids_and_load(c):
    signers = c.attest.get_signing_certificates()
    holds(signers, "there are no signing certificates")
    equal(len({signer.key_id for signer in signers}), len(signers), "number of key ids")
    for signer in signers:
        x509.load_pem_x509_certificate(signer.certificates[0].encode())


# Attestation


@checks.add
def sgx_quote_with_binary_runtime_data(c):
    result, token = c.attest.attest_sgx_enclave(c.quote, runtime_data=c.runtime)
    equal(result.enclave_held_data, c.runtime, "x-ms-sgx-ehd")
    equal(result.runtime_claims, None, "x-ms-runtime")
    equal((result.issuer, result.verifier_type, result.version), (c.base, "sgx", "1.0"), "issuer, kind and version")
    equal((len(result.mr_enclave), len(result.mr_signer), len(result.unique_id)), (64, 64, 64), "lengths")
    holds(result.is_debuggable in (True, False), "x-ms-sgx-is-debuggable is not a boolean")
    # The client turns these into floats; on the wire they must be integers, which the C++ client insists on.
    sent = json.loads(token.body_bytes)
    for name in ("x-ms-sgx-product-id", "x-ms-sgx-svn", "iat", "nbf", "exp"):
        holds(type(sent[name]) is int, f"`{name}` is not an integer")
    equal((result.product_id, result.svn), (sent["x-ms-sgx-product-id"], sent["x-ms-sgx-svn"]), "product id and svn")
    equal(result.sgx_collateral["quotehash"], hashlib.sha256(c.quote).hexdigest(), "quotehash")
    equal((token.algorithm, token.type, token.key_url), ("RS256", "JWT", f"{c.base}/certs"), "header")


@checks.add
def sgx_quote_with_json_runtime_data(c):
    result, _ = c.attest.attest_sgx_enclave(c.quote, runtime_json=c.runtime)
    equal(result.runtime_claims, json.loads(c.runtime), "x-ms-runtime")
    equal(result.enclave_held_data, None, "x-ms-sgx-ehd")


@checks.add
def sgx_quote_without_runtime_data(c):
    result, _ = c.attest.attest_sgx_enclave(c.quote)
    equal((result.enclave_held_data, result.runtime_claims), (None, None), "runtime data")


@checks.add
def open_enclave_report_with_binary_and_json_runtime_data(c):
    result, _ = c.attest.attest_open_enclave(c.report, runtime_data=c.report_runtime)
    equal(result.enclave_held_data, c.report_runtime, "x-ms-sgx-ehd")
    # Over the report with its header of 16 bytes, as the recorded answers of the service are.
    equal(result.sgx_collateral["quotehash"], hashlib.sha256(c.report).hexdigest(), "quotehash")
    result, _ = c.attest.attest_open_enclave(c.report, runtime_json=c.report_runtime)
    equal(result.runtime_claims, json.loads(c.report_runtime), "x-ms-runtime")


@checks.add
def initialization_data_that_the_client_forgets_to_send_is_absent(c):
    # The client sends a data type without data for `inittime_json`.
    result, _ = c.attest.attest_open_enclave(c.report, runtime_data=c.report_runtime, inittime_json=b"{}")
    equal(result.inittime_claims, None, "x-ms-inittime")


@checks.add
def wrong_bearer_token_on_an_anonymous_route_does_no_harm(c):
    equal(c.wrong_attest.attest_sgx_enclave(c.quote, runtime_data=c.runtime)[0].issuer, c.base, "issuer")


@checks.add
def garbage_quote_is_refused(c):
    refused(400, "InvalidParameter", lambda: c.attest.attest_sgx_enclave(b"not a quote", runtime_data=c.runtime))
    refused(400, "InvalidParameter", lambda: c.attest.attest_open_enclave(b"not a report"))


@checks.add
def changed_quote_is_refused(c):
    # A bit of MRENCLAVE: header 48 bytes, offset 64 in the report body.
    changed = bytearray(c.quote)
    changed[48 + 64] ^= 1
    refused(400, "InvalidParameter", lambda: c.attest.attest_sgx_enclave(bytes(changed), runtime_data=c.runtime))


@checks.add
def runtime_data_that_the_quote_does_not_hold_is_refused(c):
    refused(400, "InvalidParameter", lambda: c.attest.attest_sgx_enclave(c.quote, runtime_data=c.runtime + b" "))


@checks.add
def unknown_provider_is_not_found(c):
    raises(ResourceNotFoundError, lambda: c.nowhere_attest.get_open_id_metadata())
    raises(ResourceNotFoundError, lambda: c.nowhere_attest.attest_sgx_enclave(c.quote, validate_token=False))


@checks.add
def tpm_conversation_begins_with_a_challenge(c):
    answer = json.loads(c.attest.attest_tpm(json.dumps({"payload": {"type": "aikcert"}})))
    challenge = answer["payload"]["challenge"]
    equal(len(base64.urlsafe_b64decode(challenge + "=" * (-len(challenge) % 4))), 16, "length of the challenge")
    holds(answer["payload"]["service_context"], "there is no service context")


# Validation of tokens


@checks.add
def issuer_is_validated(c):
    attest = lambda issuer: c.attest.attest_sgx_enclave(c.quote, validate_issuer=True, issuer=issuer)  # noqa: E731
    equal(attest(c.base)[1].issuer, c.base, "issuer")
    raises(AttestationTokenValidationException, lambda: attest(f"{c.base}/"))


@checks.add
def validation_callback_gets_the_signer_and_can_refuse(c):
    seen = []
    c.attest.attest_sgx_enclave(c.quote, validation_callback=lambda token, signer: seen.append((token.key_id, signer.key_id)))
    equal(len(seen), 1, "number of calls")
    equal(seen[0][0], seen[0][1], "key id")

    def refuse(token, signer):
        raise ZeroDivisionError

    raises(ZeroDivisionError, lambda: c.attest.attest_sgx_enclave(c.quote, validation_callback=refuse))


@checks.add
def token_is_valid_now_and_for_eight_hours(c):
    _, token = c.attest.attest_sgx_enclave(c.quote, validation_slack=0.0)
    holds(token.not_before <= token.issued <= datetime.now(), "token is from the future")
    equal((token.expires - token.issued).total_seconds(), 8 * 3600, "life of the token")


@checks.add
def signature_is_validated(c):
    _, token = c.attest.attest_sgx_enclave(c.quote)
    signers = c.attest.get_signing_certificates()
    # The client has no public way to validate a token that came from elsewhere.
    token._validate_token(signers)
    header, body, signature = token.to_jwt_string().split(".")
    changed = AttestationToken(token=f"{header}.{body}.{signature[:-4]}{'AAAA' if signature[-4:] != 'AAAA' else 'BBBB'}")
    raises(AttestationTokenValidationException, lambda: changed._validate_token(signers))


# Draft policies


@checks.add
def draft_policy_gives_an_unsigned_marked_token(c):
    result, token = c.attest.attest_sgx_enclave(c.quote, draft_policy=PERMIT)
    equal(token.algorithm, "none", "alg")
    equal(result.policy_hash, policy_hash(PERMIT), "x-ms-policy-hash")
    claims = json.loads(token.body_bytes)
    equal(claims.get("x-assay-draft"), True, "x-assay-draft")
    equal(claims["exp"] - claims["iat"], 300, "life of the token")


@checks.add
def denying_draft_policy_is_refused(c):
    refused(400, "PolicyEvaluationError", lambda: c.attest.attest_sgx_enclave(c.quote, draft_policy=DENY))


@checks.add
def draft_policy_that_does_not_parse_is_refused(c):
    refused(400, "PolicyParsingError", lambda: c.attest.attest_open_enclave(c.report, draft_policy=DOES_NOT_PARSE))


# Policies of a provider that trusts its administrators


@checks.add
def every_kind_has_a_policy(c):
    for kind in AttestationType:
        text, token = c.admin.get_policy(kind)
        holds(text.startswith("version"), f"the policy of {kind} is {text!r}")
        equal(token.issuer, c.base, "issuer")


@checks.add
def unsigned_policy_is_set_read_and_reset(c):
    before, _ = c.admin.get_policy(SGX)
    with policy(c.admin, ISSUE):
        result, _ = c.admin.set_policy(SGX, ISSUE)
        equal(result.policy_resolution, PolicyModification.UPDATED, "resolution")
        sent = AttestationPolicyToken(ISSUE).to_jwt_string()
        equal(result.policy_token_hash, hashlib.sha256(sent.encode()).digest(), "x-ms-policy-token-hash")
        equal(result.policy_signer, None, "x-ms-policy-signer")
        text, token = c.admin.get_policy(SGX)
        equal(text, ISSUE, "policy")
        equal(json.loads(token.body_bytes)["x-ms-policy"], sent, "stored policy")
    result, _ = c.admin.reset_policy(SGX)
    equal(result.policy_resolution, PolicyModification.REMOVED, "resolution")
    equal(c.admin.get_policy(SGX)[0], before, "policy after the reset")


@checks.add
def policy_is_in_force_at_once_and_named_in_the_token(c):
    with policy(c.admin, ISSUE):
        result, token = c.attest.attest_sgx_enclave(c.quote)
        equal(json.loads(token.body_bytes).get("from-policy"), 7, "issued claim")
        equal(result.policy_hash, policy_hash(ISSUE), "x-ms-policy-hash")
    holds("from-policy" not in json.loads(c.attest.attest_sgx_enclave(c.quote)[1].body_bytes), "the policy is still in force")


@checks.add
def denying_policy_denies_its_own_kind_only(c):
    with policy(c.admin, DENY):
        refused(400, "PolicyEvaluationError", lambda: c.attest.attest_sgx_enclave(c.quote))
        c.attest.attest_open_enclave(c.report)
    c.attest.attest_sgx_enclave(c.quote)


@checks.add
def policy_that_does_not_parse_is_refused_and_changes_nothing(c):
    before, _ = c.admin.get_policy(SGX)
    refused(400, "PolicyParsingError", lambda: c.admin.set_policy(SGX, DOES_NOT_PARSE))
    equal(c.admin.get_policy(SGX)[0], before, "policy")


@checks.add
def signed_policy_is_accepted_and_its_signer_echoed(c):
    result, _ = c.admin.set_policy(SGX, PERMIT, **c.signer)
    try:
        equal(pem_body(result.policy_signer.certificates[0]), pem_body(c.signer["signing_certificate"]), "x-ms-policy-signer")
        sent = AttestationPolicyToken(PERMIT, **c.signer).to_jwt_string()
        equal(result.policy_token_hash, hashlib.sha256(sent.encode()).digest(), "x-ms-policy-token-hash")
        equal(c.admin.get_policy(SGX)[0], PERMIT, "policy")
    finally:
        result, _ = c.admin.reset_policy(SGX, **c.signer)
    equal(result.policy_resolution, PolicyModification.REMOVED, "resolution")


@checks.add
def administration_without_the_right_token_is_refused(c):
    for action in (
        lambda: c.wrong_admin.get_policy(SGX),
        lambda: c.wrong_admin.set_policy(SGX, PERMIT),
        lambda: c.wrong_admin.reset_policy(SGX),
        lambda: c.wrong_admin.get_policy_management_certificates(),
        lambda: c.wrong_admin.add_policy_management_certificate(c.second["signing_certificate"], **c.signer),
    ):
        refused(401, "Unauthorized", action, ClientAuthenticationError)


@checks.add
def policy_of_an_unknown_provider_is_not_found(c):
    raises(ResourceNotFoundError, lambda: c.nowhere_admin.get_policy(SGX))


@checks.add
def provider_that_trusts_administrators_lists_no_signers(c):
    equal(c.admin.get_policy_management_certificates()[0], [], "certificates")


# Policies of a provider that trusts its signers only


@checks.add
def isolated_provider_has_an_issuer_of_its_own(c):
    result, token = c.isolated_attest.attest_sgx_enclave(c.quote, validate_issuer=True, issuer=c.isolated_base)
    equal((result.issuer, token.key_url), (c.isolated_base, f"{c.isolated_base}/certs"), "issuer and keys")


@checks.add
def isolated_provider_lists_its_signer(c):
    certificates, _ = c.isolated_admin.get_policy_management_certificates()
    equal([pem_body(chain[0]) for chain in certificates], [pem_body(c.signer["signing_certificate"])], "certificates")


@checks.add
def isolated_provider_refuses_unsigned_policies(c):
    refused(400, "InvalidOperation", lambda: c.isolated_admin.set_policy(SGX, PERMIT))
    refused(400, "InvalidOperation", lambda: c.isolated_admin.reset_policy(SGX))


@checks.add
def isolated_provider_refuses_strangers(c):
    new = c.second["signing_certificate"]
    for action in (
        lambda: c.isolated_admin.set_policy(SGX, PERMIT, **c.stranger),
        lambda: c.isolated_admin.reset_policy(SGX, **c.stranger),
        lambda: c.isolated_admin.add_policy_management_certificate(new, **c.stranger),
    ):
        refused(400, UNTRUSTED_SIGNER, action)
    equal(len(c.isolated_admin.get_policy_management_certificates()[0]), 1, "number of certificates")


@checks.add
def isolated_provider_accepts_a_policy_of_its_signer_and_names_it_in_tokens(c):
    with policy(c.isolated_admin, ISSUE, **c.signer):
        equal(c.isolated_admin.get_policy(SGX)[0], ISSUE, "policy")
        _, token = c.isolated_attest.attest_sgx_enclave(c.quote)
        equal(json.loads(token.body_bytes).get("from-policy"), 7, "issued claim")
        # `result.policy_signer` raises in 1.0.0 whenever there is one: it converts the value twice.
        certificate = json.loads(token.body_bytes)["x-ms-policy-signer"]["x5c"][0]
        equal(certificate, pem_body(c.signer["signing_certificate"]), "x-ms-policy-signer")


@checks.add
def signers_are_added_used_and_removed(c):
    new = c.second["signing_certificate"]
    thumbprint = x509.load_pem_x509_certificate(new.encode()).fingerprint(hashes.SHA1()).hex().upper()
    for _ in range(2):  # both are idempotent
        result, _ = c.isolated_admin.add_policy_management_certificate(new, **c.signer)
        equal(result.certificate_resolution, CertificateModification.IS_PRESENT, "resolution")
        equal(result.certificate_thumbprint, thumbprint, "thumbprint")
        equal(len(c.isolated_admin.get_policy_management_certificates()[0]), 2, "number of certificates")
    with policy(c.isolated_admin, PERMIT, **c.second):
        equal(c.isolated_admin.get_policy(SGX)[0], PERMIT, "policy")
    for _ in range(2):
        result, _ = c.isolated_admin.remove_policy_management_certificate(new, **c.signer)
        equal(result.certificate_resolution, CertificateModification.IS_ABSENT, "resolution")
        equal(result.certificate_thumbprint, thumbprint, "thumbprint")
    equal(len(c.isolated_admin.get_policy_management_certificates()[0]), 1, "number of certificates")
    refused(400, UNTRUSTED_SIGNER, lambda: c.isolated_admin.set_policy(SGX, PERMIT, **c.second))


@checks.add
def last_signer_cannot_be_removed(c):
    own = c.signer["signing_certificate"]
    caught = raises(HttpResponseError, lambda: c.isolated_admin.remove_policy_management_certificate(own, **c.signer))
    equal(caught.status_code, 400, "status")
    equal(len(c.isolated_admin.get_policy_management_certificates()[0]), 1, "number of certificates")


def pem_body(pem):
    """Line breaks differ between writers of PEM."""
    return "".join(line for line in pem.splitlines() if not line.startswith("-"))


def main(case_file):
    case = json.loads(pathlib.Path(case_file).read_text())
    failed = 0
    for flavour in ("blocking", "aio"):
        with contextlib.ExitStack() as stack:
            failed += checks.run(f"azure-python-{flavour}", Clients(case, flavour, stack))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
