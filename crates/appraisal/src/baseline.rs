//! Which platforms are new enough.

use assay_evidence::snp::{Product, Tcb};
use assay_verify::claims::{SnpClaims, TcbVerdict};
use assay_verify::intel::TcbStatus;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The identifier of the baseline that holds when a policy names none.
pub const AZURE_DEFAULT: &str = "azuredefault";
/// The identifiers a policy may name in `x-ms-sgx-tcbidentifier`, each with its TCB evaluation data number (Azure
/// Attestation, "Custom TCB baseline enforcement").
pub const KNOWN_BASELINES: [(&str, u32); 6] =
    [("10", 10), ("11", 11), ("12", 12), ("13", 13), ("14", 14), ("15", 15)];

/// What a provider demands of a platform's TCB.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Baseline {
    /// TCB statuses that are good enough, by Intel's names.
    pub accepted: Vec<String>,
    /// The lowest TCB evaluation data number of collateral that may judge.
    pub minimum_evaluation_number: u32,
    /// What is demanded of AMD's platforms.
    #[serde(default, skip_serializing_if = "SnpBaseline::is_empty")]
    pub snp: SnpBaseline,
}

/// The lowest TCB of AMD's platforms, by generation; nothing is demanded of one that is missing.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SnpBaseline {
    /// Milan.
    #[serde(default, deserialize_with = "without_fmc", skip_serializing_if = "Option::is_none")]
    pub milan: Option<SnpMinimum>,
    /// Genoa, Bergamo, Siena.
    #[serde(default, deserialize_with = "without_fmc", skip_serializing_if = "Option::is_none")]
    pub genoa: Option<SnpMinimum>,
    /// Turin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turin: Option<SnpMinimum>,
}

/// A minimum for a part that a generation does not have would refuse every platform of it.
fn without_fmc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SnpMinimum>, D::Error> {
    let minimum = Option::<SnpMinimum>::deserialize(deserializer)?;
    match minimum {
        Some(SnpMinimum { fmc: 1.., .. }) => Err(D::Error::custom("`fmc` belongs to `turin` only")),
        minimum => Ok(minimum),
    }
}

/// The lowest security version of each part of a platform; AMD's security bulletins name them.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnpMinimum {
    /// First boot stage; Turin only.
    pub fmc: u8,
    /// Boot loader of the secure processor.
    pub bootloader: u8,
    /// Operating system of the secure processor.
    pub tee: u8,
    /// SNP firmware.
    pub snp: u8,
    /// Microcode.
    pub microcode: u8,
}

impl Default for Baseline {
    /// Refuses platforms that need an update.
    fn default() -> Self {
        let accepted = TcbStatus::ALL
            .into_iter()
            .filter(|status| !status.is_out_of_date() && *status != TcbStatus::Revoked)
            .map(|status| status.as_str().to_owned())
            .collect();
        Self { accepted, minimum_evaluation_number: 0, snp: SnpBaseline::default() }
    }
}

/// How a platform falls short of a baseline.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Shortfall {
    /// What was found.
    pub(crate) found: String,
    /// What the baseline demands.
    pub(crate) demanded: String,
}

impl Baseline {
    /// Every status: for callers that judge the status themselves.
    #[must_use]
    pub fn accept_all() -> Self {
        let accepted = TcbStatus::ALL.into_iter().map(|status| status.as_str().to_owned()).collect();
        Self { accepted, minimum_evaluation_number: 0, snp: SnpBaseline::default() }
    }

    /// Checks a platform against this baseline and the one that the policy names.
    pub(crate) fn check(&self, tcb: &TcbVerdict, named: Option<&str>) -> Result<(), Shortfall> {
        let minimum = match named {
            None | Some(AZURE_DEFAULT) => self.minimum_evaluation_number,
            Some(name) => {
                let known = KNOWN_BASELINES.iter().find(|(known, _)| *known == name);
                let (_, number) = known.ok_or_else(|| Shortfall {
                    found: format!("the policy names the baseline `{name}`"),
                    demanded: "a baseline that this service knows".to_owned(),
                })?;
                self.minimum_evaluation_number.max(*number)
            }
        };
        if tcb.evaluation_number < minimum {
            return Err(Shortfall {
                found: format!("collateral of TCB evaluation {}", tcb.evaluation_number),
                demanded: format!("TCB evaluation {minimum} or later"),
            });
        }
        if self.accepted.iter().any(|status| status == tcb.status.as_str()) {
            return Ok(());
        }
        Err(Shortfall {
            found: format!("TCB status {}", tcb.status.as_str()),
            demanded: format!("one of {}", self.accepted.join(", ")),
        })
    }
}

impl SnpBaseline {
    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is demanded of a generation.
    #[must_use]
    pub const fn of(&self, product: Product) -> Option<SnpMinimum> {
        match product {
            Product::Milan => self.milan,
            Product::Genoa => self.genoa,
            Product::Turin => self.turin,
        }
    }

    /// Compares the reported TCB, component by component: the one that the endorsement key is of.
    pub(crate) fn check(&self, claims: &SnpClaims) -> Result<(), Shortfall> {
        let Some(minimum) = self.of(claims.product) else { return Ok(()) };
        let below: Vec<String> = minimum.above(&claims.reported_tcb);
        if below.is_empty() {
            return Ok(());
        }
        Err(Shortfall {
            found: format!("a {} with {}", claims.product, claims.reported_tcb),
            demanded: below.join(" and "),
        })
    }
}

impl SnpMinimum {
    /// The components in which it is above a TCB.
    fn above(&self, tcb: &Tcb) -> Vec<String> {
        let demanded = [self.fmc, self.bootloader, self.tee, self.snp, self.microcode];
        let pairs = demanded.into_iter().zip(tcb.components());
        let below = pairs.filter(|(minimum, (_, found))| found.unwrap_or_default() < *minimum);
        below.map(|(minimum, (name, _))| format!("{name} {minimum}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_for_a_part_that_is_not_there_is_refused() {
        let read = |text: &str| serde_json::from_str::<SnpBaseline>(text).map_err(|error| error.to_string());
        assert!(read(r#"{"milan":{"snp":1},"turin":{"fmc":1}}"#).is_ok());
        for generation in ["milan", "genoa"] {
            let problem = read(&format!(r#"{{"{generation}":{{"fmc":1}}}}"#)).unwrap_err();
            assert!(problem.starts_with("`fmc` belongs to `turin` only"), "{problem}");
        }
    }

    #[test]
    fn components_are_compared_one_by_one() {
        let tcb = Tcb { fmc: None, boot_loader: 4, tee: 0, snp: 24, microcode: 219 };
        let minimum = SnpMinimum { bootloader: 4, snp: 24, microcode: 219, ..SnpMinimum::default() };
        assert_eq!(minimum.above(&tcb), Vec::<String>::new());
        // As one number this platform would be far above.
        let newer = SnpMinimum { snp: 25, microcode: 1, ..minimum };
        assert_eq!(newer.above(&tcb), ["snp 25"]);
        assert_eq!(SnpMinimum { fmc: 1, tee: 1, ..minimum }.above(&tcb), ["fmc 1", "tee 1"]);
    }
}
