//! What hostile or careless text and claims may cost.
//!
//! Microsoft documents no limit; the numbers are Assay's own choice.

/// Longest policy text in bytes. Intel Trust Authority allows 10 KB.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// Most rules in one policy, all sections together.
pub const MAX_RULES: usize = 10_000;
/// Most conditions in one rule.
pub const MAX_CONDITIONS: usize = 64;
/// Deepest nesting of function calls; bounds the parser's recursion.
pub const MAX_DEPTH: usize = 64;
/// Most claims in one evaluation, incoming and produced together.
pub const MAX_CLAIMS: usize = 100_000;
/// Most diagnostics in one answer; one more then says that some were left out. Nobody reads more, and an
/// upload must not be turned into an answer many times its size.
pub const MAX_DIAGNOSTICS: usize = 100;
/// Comparisons in one evaluation: 10,000 rules of one condition over 200 claims pass, and the worst case
/// stays in the order of 20 ms.
pub const MAX_STEPS: u64 = 2_000_000;

/// What rules may issue, as JSON: a token of this size is already larger than what HTTP headers and most clients
/// carry, and without a limit a rule that copies a large claim multiplies it.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// The budget of one evaluation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Claims, incoming and produced together.
    pub claims: usize,
    /// Steps: one per claim that a condition looks at, one per test of a claim and per comparison of values,
    /// and one more per 64 bytes of text compared.
    pub steps: u64,
    /// Bytes of claims and properties that rules issue, as JSON.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { claims: MAX_CLAIMS, steps: MAX_STEPS, output_bytes: MAX_OUTPUT_BYTES }
    }
}
