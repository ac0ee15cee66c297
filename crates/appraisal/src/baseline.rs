//! Which platforms are new enough.

use assay_verify::claims::TcbVerdict;
use assay_verify::intel::TcbStatus;
use serde::{Deserialize, Serialize};

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
}

impl Default for Baseline {
    /// Refuses platforms that need an update.
    fn default() -> Self {
        let accepted = TcbStatus::ALL
            .into_iter()
            .filter(|status| !status.is_out_of_date() && *status != TcbStatus::Revoked)
            .map(|status| status.as_str().to_owned())
            .collect();
        Self { accepted, minimum_evaluation_number: 0 }
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
        Self { accepted, minimum_evaluation_number: 0 }
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
