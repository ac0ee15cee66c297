//! What the service holds at the moment of a scrape.

use assay_collateral::state::State;
use assay_token::lifecycle::Purpose;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::clock::seconds;

/// A platform family (FMSPC and CA) is a product line, not a machine.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DocumentLabels {
    subject: String,
    number: u32,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FamilyLabels {
    fmspc: String,
    ca: &'static str,
}

/// A generation of AMD's processors.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ProductLabels {
    product: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KeyLabels {
    provider: String,
    purpose: &'static str,
}

/// A registry made for one scrape.
pub(super) fn registry(app: &App) -> Registry {
    let mut registry = Registry::with_prefix("assay");
    counters(&mut registry, app);
    collateral(&mut registry, app);
    keys(&mut registry, app);
    registry
}

fn counters(registry: &mut Registry, app: &App) {
    let counted = &app.counters;
    let (hits, misses) = app.chain_cache.hits_and_misses();
    let totals = [
        ("chain_cache_hits", "Certificate chains that were verified before", hits),
        ("chain_cache_misses", "Certificate chains verified anew", misses),
        ("drafts", "Answers for draft policies", counted.drafts.get()),
        ("records", "Decision records written", counted.records.get()),
        ("record_failures", "Decision records that could not be written", counted.record_failures.get()),
        ("registry_reloads", "Times changes of other processes were read", counted.registry_reloads.get()),
        ("registry_failures", "Times the registry could not be read", counted.registry_failures.get()),
        ("issuer_fetches", "Key sets fetched from issuers of bearer tokens", counted.issuer_fetches.get()),
        ("issuer_failures", "Fetches of key sets that failed", counted.issuer_failures.get()),
    ];
    for (name, help, value) in totals {
        let counter = Counter::<u64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    let levels = [
        ("collateral_sets", "Collateral sets held", counted.collateral_sets.get()),
        ("vek_certificates", "VEK certificates of SEV-SNP platforms held", counted.vek_certificates.get()),
        ("collateral_problems", "Collateral files that cannot be used", counted.collateral_problems.get()),
        (
            "clock_behind_seconds",
            "How far the clock stands behind vendor dates",
            counted.clock_behind_seconds.get(),
        ),
        ("ready", "Whether the service can answer", i64::from(app.is_ready())),
    ];
    for (name, help, value) in levels {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

fn collateral(registry: &mut Registry, app: &App) {
    let now = app.clock.now().0;
    let (age, expiry) = (Family::<FamilyLabels, Gauge>::default(), Family::<FamilyLabels, Gauge>::default());
    for entry in app.collateral.0.inventory() {
        let labels =
            FamilyLabels { fmspc: hex::encode(entry.platform.fmspc), ca: entry.platform.ca.as_str() };
        age.get_or_create(&labels).set(now.saturating_sub(entry.issued.0));
        expiry.get_or_create(&labels).set(entry.expires.0.saturating_sub(now));
    }
    registry.register(
        "collateral_age_seconds",
        "Time since the TCB info of a platform family was issued",
        age,
    );
    let help = "Time until collateral of a platform family expires; negative when it has";
    registry.register("collateral_expiry_seconds", help, expiry);
    revocation_lists(registry, app);
    documents(registry, app);
}

/// Evaluations that nobody gets who does not name them.
const OTHER: &str = "other";

/// Documents of the hardware identity service. Subjects are vendors' and families' names, of which there are a few hundred.
fn documents(registry: &mut Registry, app: &App) {
    let now = app.clock.now().0;
    let states = Family::<StateLabels, Gauge>::default();
    for state in State::ALL.map(State::as_str).into_iter().chain([OTHER]) {
        states.get_or_create(&StateLabels { state }).set(0);
    }
    let in_use = app.identity.selections_in_use();
    let expiry = Family::<DocumentLabels, Gauge>::default();
    for held in app.identity.library.inventory() {
        // That an earlier evaluation has expired is nothing to be woken for.
        if !held.is_in_use(&in_use) {
            states.get_or_create(&StateLabels { state: OTHER }).inc();
            continue;
        }
        states.get_or_create(&StateLabels { state: held.state.as_str() }).inc();
        let number = held.document.evaluation_number.unwrap_or(0);
        let labels = DocumentLabels { subject: held.subject.path(), number };
        expiry.get_or_create(&labels).set(held.document.expires.0.saturating_sub(now));
    }
    let failures = Gauge::<i64>::default();
    failures.set(i64::try_from(app.identity.library.failures().len()).unwrap_or(i64::MAX));
    registry.register(
        "identity_documents",
        "Vendors' documents held, by state; of evaluations that do not count, `other`",
        states,
    );
    let help = "Time until a vendor's document expires; negative when it has";
    registry.register("identity_document_expiry_seconds", help, expiry);
    let help = "Documents that the last question to upstream did not bring";
    registry.register("identity_failures", help, failures);
}

/// The newest list of each product decides whether revocation is known.
fn revocation_lists(registry: &mut Registry, app: &App) {
    let now = app.clock.now().0;
    let expiry = Family::<ProductLabels, Gauge>::default();
    let mut lists = app.collateral.0.amd_crls();
    lists.sort_by_key(|list| list.window.from);
    for list in lists {
        let labels = ProductLabels { product: list.product.as_str() };
        expiry.get_or_create(&labels).set(list.window.until.0.saturating_sub(now));
    }
    let help = "Time until AMD's revocation list for a product expires; negative when it has";
    registry.register("revocation_list_expiry_seconds", help, expiry);
}

fn keys(registry: &mut Registry, app: &App) {
    let now = app.clock.now();
    let ages = Family::<KeyLabels, Gauge>::default();
    for provider in app.registry.list() {
        for purpose in [Purpose::AttestationToken, Purpose::ManagementResult] {
            let Ok(key) = provider.keys.signing_key(purpose, seconds(now)) else { continue };
            let record = provider.keys.records().iter().find(|record| record.kid == key.kid);
            let Some(record) = record else { continue };
            let age = seconds(now).saturating_sub(record.activate_at);
            let labels = KeyLabels { provider: provider.id.as_str().to_owned(), purpose: purpose.as_str() };
            ages.get_or_create(&labels).set(i64::try_from(age).unwrap_or(i64::MAX));
        }
    }
    registry.register("signing_key_age_seconds", "Time since the signing key began to sign", ages);
}
