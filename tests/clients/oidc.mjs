// jose, which knows nothing of attestation, discovers a provider's keys and verifies its tokens.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { client, run } from './checks.mjs';

const jose = await client('jose');

const checks = {
  async 'metadata names the provider and its algorithm'(provider) {
    assert.equal(provider.metadata.issuer, provider.url);
    assert.equal(provider.metadata.jwks_uri, `${provider.url}/certs`);
    assert.deepEqual(provider.metadata.id_token_signing_alg_values_supported, [provider.algorithm]);
  },

  async 'token verifies'(provider) {
    const { payload, protectedHeader } = await provider.verify(await provider.attest());
    assert.equal(protectedHeader.alg, provider.algorithm);
    assert.equal(payload.iss, provider.url);
    assert.ok(payload.exp > Date.now() / 1000);
    assert.equal(payload['x-ms-attestation-type'], 'sgx');
  },

  async 'key of the certificate in the key set verifies too'(provider) {
    const token = await provider.attest();
    const { kid } = jose.decodeProtectedHeader(token);
    const { keys } = await (await fetch(provider.metadata.jwks_uri)).json();
    const [certificate] = keys.find((key) => key.kid === kid).x5c;
    const pem = `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----`;
    await jose.jwtVerify(token, await jose.importX509(pem, provider.algorithm), { issuer: provider.url });
  },

  async 'another issuer is refused'(provider) {
    const token = await provider.attest();
    await assert.rejects(provider.verify(token, { issuer: `${provider.url}x` }), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED' });
  },

  async 'another algorithm is refused'(provider) {
    const algorithms = ['RS256', 'PS256', 'ES256', 'ES384'].filter((name) => name !== provider.algorithm);
    await assert.rejects(provider.verify(await provider.attest(), { algorithms }), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' });
  },

  async 'changed claim is refused'(provider) {
    const [header, body, signature] = (await provider.attest()).split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    const changed = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 1 })).toString('base64url');
    await assert.rejects(provider.verify(`${header}.${changed}.${signature}`), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  },

  async 'token of another provider is refused'(provider) {
    await assert.rejects(provider.verify(await provider.other.attest()), { code: 'ERR_JOSE_ALG_NOT_ALLOWED' });
    const algorithms = [provider.other.algorithm];
    await assert.rejects(provider.verify(await provider.other.attest(), { algorithms }), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
  },
};

async function discover(url, algorithm, request) {
  const metadata = await (await fetch(`${url}/.well-known/openid-configuration`)).json();
  const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
  return {
    url,
    algorithm,
    metadata,
    async attest() {
      const answer = await fetch(`${url}/attest/SgxEnclave?api-version=2020-10-01`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: request,
      });
      assert.equal(answer.status, 200);
      return (await answer.json()).token;
    },
    verify: (token, changes) =>
      jose.jwtVerify(token, keys, {
        issuer: metadata.issuer,
        algorithms: metadata.id_token_signing_alg_values_supported,
        requiredClaims: ['iss', 'exp', 'iat', 'nbf', 'jti'],
        ...changes,
      }),
  };
}

const scenario = JSON.parse(await readFile(process.argv[2], 'utf8'));
const request = await readFile(scenario.sgx.request);
const providers = await Promise.all(
  Object.entries(scenario.oidc).map(([algorithm, url]) => discover(url, algorithm, request)),
);
let failed = 0;
for (const [position, provider] of providers.entries()) {
  provider.other = providers.at(position - 1);
  failed += await run(`jose-${provider.algorithm}`, checks, provider);
}
process.exitCode = failed ? 1 : 0;
