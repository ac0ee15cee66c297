// Microsoft's unmodified @azure/attestation drives every operation, token validation on.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { client, run } from './checks.mjs';

const sdk = (await client('@azure/attestation')).default;

const PERMIT = 'version= 1.0;authorizationrules{=> permit();};issuancerules{};';
const DENY = 'version= 1.0;authorizationrules{=> deny();};issuancerules{};';
const ISSUE = 'version= 1.0;authorizationrules{=> permit();};issuancerules{=> issue(type="from-policy", value=7);};';
const DOES_NOT_PARSE = 'version= 1.0;authorizationrules{=> permit(;};issuancerules{};';
const SGX = sdk.KnownAttestationType.SgxEnclave;
// Azure's answer begins "Unable to find issuer certificate"; that is its code, and not that of an unsigned policy.
const UNTRUSTED_SIGNER = 'InvalidParameter';

// Any `validationOptions` without these switches validation off: 1.0.0 takes what is missing for false.
const VALIDATE = { validateToken: true, validateExpirationTime: true, validateNotBeforeTime: true };

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const policyHash = (text) => sha256(Buffer.from(text).toString('base64url'));
const claims = (token) => JSON.parse(Buffer.from(token.serialize().split('.')[1], 'base64url'));
const fingerprint = (pem) => new X509Certificate(pem).fingerprint256;

function credential(token) {
  return {
    async getToken(scopes) {
      assert.deepEqual([scopes].flat(), ['https://attest.azure.net/.default']);
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };
}

async function refused(status, code, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.name, 'RestError', error.stack);
    assert.deepEqual([error.statusCode, error.code ?? error.details?.error?.code], [status, code], error.message);
    return true;
  });
}

// Sets the SGX policy for as long as `action` runs.
async function withPolicy(admin, text, signer, action) {
  await admin.setPolicy(SGX, text, signer);
  try {
    await action();
  } finally {
    await admin.resetPolicy(SGX, signer);
  }
}

const discovery = {
  async 'open id metadata names issuer and keys'(c) {
    const metadata = await c.attest.getOpenIdMetadata();
    assert.equal(metadata.issuer, c.base);
    assert.equal(metadata.jwks_uri, `${c.base}/certs`);
  },

  async 'signers have key ids and certificates that load'(c) {
    const signers = await c.attest.getAttestationSigners();
    assert.ok(signers.length > 0);
    for (const signer of signers) {
      assert.ok(signer.keyId);
      assert.ok(fingerprint(signer.certificates[0]));
    }
  },
};

const attestation = {
  async 'sgx quote with binary runtime data'(c) {
    const { body, token } = await c.attest.attestSgxEnclave(c.quote, { runTimeData: c.runtime });
    assert.deepEqual(Buffer.from(body.enclaveHeldData), c.runtime);
    assert.equal(body.runTimeClaims, undefined);
    assert.deepEqual([body.issuer, body.verifierType, body.version], [c.base, 'sgx', '1.0']);
    assert.deepEqual([body.mrEnclave.length, body.mrSigner.length, body.uniqueId.length], [64, 64, 64]);
    assert.equal(body.sgxCollateral.quotehash, sha256(c.quote).toString('hex'));
    assert.deepEqual([token.algorithm, token.type, token.keyUrl], ['RS256', 'JWT', `${c.base}/certs`]);
  },

  async 'sgx quote with json runtime data'(c) {
    const { body } = await c.attest.attestSgxEnclave(c.quote, { runTimeJson: c.runtime });
    assert.deepEqual(body.runTimeClaims, JSON.parse(c.runtime));
    assert.equal(body.enclaveHeldData, undefined);
  },

  async 'open enclave report with binary and json runtime data'(c) {
    const binary = await c.attest.attestOpenEnclave(c.report, { runTimeData: c.reportRuntime });
    assert.equal(binary.body.sgxCollateral.quotehash, sha256(c.report).toString('hex'));
    const json = await c.attest.attestOpenEnclave(c.report, { runTimeJson: c.reportRuntime });
    assert.deepEqual(json.body.runTimeClaims, JSON.parse(c.reportRuntime));
  },

  async 'client without a credential attests'(c) {
    const { body } = await new sdk.AttestationClient(c.base).attestSgxEnclave(c.quote);
    assert.equal(body.issuer, c.base);
  },

  async 'garbage, changed and unbound quotes are refused'(c) {
    await refused(400, 'InvalidParameter', c.attest.attestSgxEnclave(Buffer.from('not a quote')));
    await refused(400, 'InvalidParameter', c.attest.attestOpenEnclave(Buffer.from('not a report')));
    const changed = Buffer.from(c.quote);
    changed[48 + 64] ^= 1; // a bit of MRENCLAVE: header 48 bytes, offset 64 in the report body
    await refused(400, 'InvalidParameter', c.attest.attestSgxEnclave(changed));
    const unbound = Buffer.concat([c.runtime, Buffer.from(' ')]);
    await refused(400, 'InvalidParameter', c.attest.attestSgxEnclave(c.quote, { runTimeData: unbound }));
  },

  async 'tpm conversation begins with a challenge'(c) {
    const { payload } = JSON.parse(await c.attest.attestTpm(JSON.stringify({ payload: { type: 'aikcert' } })));
    assert.equal(Buffer.from(payload.challenge, 'base64url').length, 16);
    assert.ok(payload.service_context);
  },

  async 'issuer is validated'(c) {
    const attest = (expectedIssuer) =>
      c.attest.attestSgxEnclave(c.quote, { validationOptions: { ...VALIDATE, validateIssuer: true, expectedIssuer } });
    assert.equal((await attest(c.base)).token.issuer, c.base);
    await assert.rejects(attest(`${c.base}/`), /expected issuer/);
  },

  async 'validation callback gets the signer and can refuse'(c) {
    const attest = (validateAttestationToken) =>
      c.attest.attestSgxEnclave(c.quote, { validationOptions: { ...VALIDATE, validateAttestationToken } });
    let seen;
    await attest((token, signer) => {
      seen = [token.keyId, signer.keyId];
    });
    assert.ok(seen[0]);
    assert.equal(seen[0], seen[1]);
    await assert.rejects(attest(() => ['not today']), /not today/);
  },

  async 'signature, expiry and start are validated'(c) {
    const { token } = await c.attest.attestSgxEnclave(c.quote);
    const signers = await c.attest.getAttestationSigners();
    assert.deepEqual(token.getTokenProblems(signers, VALIDATE), []);
    const impostors = signers.map(({ keyId }) => ({ keyId, certificates: [c.stranger.certificate] }));
    assert.deepEqual(token.getTokenProblems(impostors, VALIDATE), ['Attestation Token is not properly signed.']);
    assert.ok(token.notBefore <= token.issuedAt && token.issuedAt <= new Date());
    assert.equal(token.expiresOn - token.issuedAt, 8 * 3_600_000);
  },

  async 'draft policies: unsigned and marked, denied, not parsed'(c) {
    const draft = (text) => c.attest.attestSgxEnclave(c.quote, { draftPolicyForAttestation: text });
    const { body, token } = await draft(PERMIT);
    assert.equal(token.algorithm, 'none');
    assert.equal(claims(token)['x-assay-draft'], true);
    assert.deepEqual(Buffer.from(body.policyHash), policyHash(PERMIT));
    await refused(400, 'PolicyEvaluationError', draft(DENY));
    await refused(400, 'PolicyParsingError', draft(DOES_NOT_PARSE));
  },
};

const policies = {
  async 'every kind has a policy'(c) {
    for (const kind of Object.values(sdk.KnownAttestationType)) {
      assert.match((await c.admin.getPolicy(kind)).body, /^version/);
    }
  },

  async 'unsigned policy is set, in force, read and reset'(c) {
    const before = (await c.admin.getPolicy(SGX)).body;
    const { body } = await c.admin.setPolicy(SGX, ISSUE);
    assert.equal(body.policyResolution, 'Updated');
    const sent = sdk.createAttestationPolicyToken(ISSUE).serialize();
    assert.deepEqual(Buffer.from(body.policyTokenHash), sha256(sent));
    assert.equal((await c.admin.getPolicy(SGX)).body, ISSUE);
    const result = await c.attest.attestSgxEnclave(c.quote);
    assert.equal(claims(result.token)['from-policy'], 7);
    assert.deepEqual(Buffer.from(result.body.policyHash), policyHash(ISSUE));
    assert.equal((await c.admin.resetPolicy(SGX)).body.policyResolution, 'Removed');
    assert.equal((await c.admin.getPolicy(SGX)).body, before);
  },

  async 'denying policy denies'(c) {
    await withPolicy(c.admin, DENY, {}, () => refused(400, 'PolicyEvaluationError', c.attest.attestSgxEnclave(c.quote)));
  },

  async 'policy that does not parse is refused'(c) {
    await refused(400, 'PolicyParsingError', c.admin.setPolicy(SGX, DOES_NOT_PARSE));
  },

  async 'policies signed with RSA and EC keys are accepted, and their signer echoed'(c) {
    for (const signer of [c.signer, c.ecSigner]) {
      const { body } = await c.admin.setPolicy(SGX, PERMIT, signer);
      assert.equal(body.policyResolution, 'Updated');
      assert.equal(fingerprint(body.policySigner.certificates[0]), fingerprint(signer.certificate));
      assert.equal((await c.admin.resetPolicy(SGX, signer)).body.policyResolution, 'Removed');
    }
  },

  async 'administration without the right token is refused'(c) {
    await refused(401, 'Unauthorized', c.wrongAdmin.getPolicy(SGX));
    await refused(401, 'Unauthorized', c.wrongAdmin.setPolicy(SGX, PERMIT));
    await refused(401, 'Unauthorized', c.wrongAdmin.resetPolicy(SGX));
    await refused(401, 'Unauthorized', c.wrongAdmin.getPolicyManagementCertificates());
  },

  async 'provider that trusts administrators lists no signers'(c) {
    assert.deepEqual((await c.admin.getPolicyManagementCertificates()).body, []);
  },
};

const isolated = {
  async 'isolated provider lists its signer and has an issuer of its own'(c) {
    const { body } = await c.isolatedAdmin.getPolicyManagementCertificates();
    assert.deepEqual(body.map((signer) => fingerprint(signer.certificates[0])), [fingerprint(c.signer.certificate)]);
    assert.equal((await c.isolatedAttest.attestSgxEnclave(c.quote)).body.issuer, c.isolatedBase);
  },

  async 'isolated provider refuses unsigned policies and strangers'(c) {
    await refused(400, 'InvalidOperation', c.isolatedAdmin.setPolicy(SGX, PERMIT));
    await refused(400, 'InvalidOperation', c.isolatedAdmin.resetPolicy(SGX));
    await refused(400, UNTRUSTED_SIGNER, c.isolatedAdmin.setPolicy(SGX, PERMIT, c.stranger));
  },

  async 'isolated provider names the signer of its policy in tokens'(c) {
    await withPolicy(c.isolatedAdmin, ISSUE, c.signer, async () => {
      const { body } = await c.isolatedAttest.attestSgxEnclave(c.quote);
      assert.equal(fingerprint(body.policySigner.certificates[0]), fingerprint(c.signer.certificate));
    });
  },

  async 'signers with RSA and EC keys are added, used and removed'(c) {
    const count = async () => (await c.isolatedAdmin.getPolicyManagementCertificates()).body.length;
    for (const added of [c.second, c.ecSigner]) {
      const thumbprint = new X509Certificate(added.certificate).fingerprint.replaceAll(':', '');
      const change = (operation) =>
        c.isolatedAdmin[operation](added.certificate, c.signer.privateKey, c.signer.certificate);
      let { body } = await change('addPolicyManagementCertificate');
      assert.deepEqual([body.certificateResolution, body.certificateThumbprint], ['IsPresent', thumbprint]);
      assert.equal(await count(), 2);
      await withPolicy(c.isolatedAdmin, PERMIT, added, async () => {
        assert.equal((await c.isolatedAdmin.getPolicy(SGX)).body, PERMIT);
      });
      ({ body } = await change('removePolicyManagementCertificate'));
      assert.deepEqual([body.certificateResolution, body.certificateThumbprint], ['IsAbsent', thumbprint]);
      assert.equal(await count(), 1);
      await refused(400, UNTRUSTED_SIGNER, c.isolatedAdmin.setPolicy(SGX, PERMIT, added));
    }
  },
};

async function clients(scenario) {
  const signer = async ({ key, certificate }) => ({
    privateKey: await readFile(key, 'utf8'),
    certificate: await readFile(certificate, 'utf8'),
  });
  const admin = (url, token) =>
    new sdk.AttestationAdministrationClient(url, credential(token), { retryOptions: { maxRetries: 0 } });
  return {
    base: scenario.base,
    isolatedBase: scenario.isolated,
    attest: new sdk.AttestationClient(scenario.base, credential(scenario.token)),
    isolatedAttest: new sdk.AttestationClient(scenario.isolated, credential(scenario.token)),
    admin: admin(scenario.base, scenario.token),
    isolatedAdmin: admin(scenario.isolated, scenario.token),
    wrongAdmin: admin(scenario.base, 'not-the-token'),
    quote: await readFile(scenario.sgx.evidence),
    runtime: await readFile(scenario.sgx.runtime),
    report: await readFile(scenario.open_enclave.evidence),
    reportRuntime: await readFile(scenario.open_enclave.runtime),
    signer: await signer(scenario.signers.first),
    second: await signer(scenario.signers.second),
    stranger: await signer(scenario.signers.stranger),
    ecSigner: await signer(scenario.signers.ec),
  };
}

const scenario = JSON.parse(await readFile(process.argv[2], 'utf8'));
const failed = await run(
  'azure-js',
  { ...discovery, ...attestation, ...policies, ...isolated },
  await clients(scenario),
);
process.exitCode = failed ? 1 : 0;
