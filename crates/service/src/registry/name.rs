//! Names of providers.

use super::{ProviderId, RegistryError};

/// The name of the provider at the root.
pub const DEFAULT_PROVIDER: &str = "default";

const RULE: &str = "3 to 24 letters, digits and hyphens, beginning and ending with a letter or digit";
const RESERVED_RULE: &str = "the name is reserved for the service";

/// Labels of the service and segments of its routes: a provider of such a name could pass for the service.
/// `deployment` is where the deployment's own keys are bound.
const RESERVED: &[&str] = &[
    "admin",
    "administration",
    "api",
    "attest",
    "attestation",
    "auth",
    "certificates",
    "certs",
    "console",
    "default",
    "deployment",
    "docs",
    "health",
    "healthz",
    "help",
    "internal",
    "localhost",
    "login",
    "mail",
    "metadata",
    "metrics",
    "oauth",
    "openapi",
    "operations",
    "policies",
    "provider",
    "providers",
    "readyz",
    "root",
    "sgx",
    "shared",
    "status",
    "system",
    "tcbbaselines",
    "tdx",
    "thim",
    "vcek",
    "vlek",
    "well-known",
    "www",
];

/// Checks the name of a new provider and gives it in lower case.
///
/// # Errors
/// [`RegistryError::ProviderName`] with the rule that is broken.
pub fn check_name(name: &str) -> Result<ProviderId, RegistryError> {
    let refuse = |rule| RegistryError::ProviderName { name: name.chars().take(80).collect(), rule };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    // A host label may not begin or end with a hyphen (RFC 1123, section 2.1).
    let hyphens = name.starts_with('-') || name.ends_with('-');
    if !(3..=24).contains(&name.len()) || !name.bytes().all(allowed) || hyphens {
        return Err(refuse(RULE));
    }
    let lower = name.to_ascii_lowercase();
    // `xn--` begins internationalised labels, which read as something else.
    if RESERVED.contains(&lower.as_str()) || lower.starts_with("xn--") {
        return Err(refuse(RESERVED_RULE));
    }
    Ok(ProviderId(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_rule() {
        assert_eq!(check_name("Contoso-1").unwrap().as_str(), "contoso-1");
        assert_eq!(check_name(&"a".repeat(24)).unwrap().as_str(), "a".repeat(24));
        let long = "a".repeat(25);
        for bad in ["", "ab", long.as_str(), "a b", "a.b", "a_b", "äöü", "-abc", "abc-", "../x", "a/b"] {
            let expected = RegistryError::ProviderName { name: bad.to_owned(), rule: RULE };
            assert_eq!(check_name(bad), Err(expected));
        }
        for bad in
            ["default", "Shared", "ADMIN", "api", "www", "metrics", "health", "providers", "certs", "xn--abc"]
        {
            let expected = RegistryError::ProviderName { name: bad.to_owned(), rule: RESERVED_RULE };
            assert_eq!(check_name(bad), Err(expected));
        }
        // Too short for a name, and reserved by that.
        assert_eq!(check_name("v1"), Err(RegistryError::ProviderName { name: "v1".to_owned(), rule: RULE }));
    }
}
