//! `/v1/baselines`: pinned evaluations, and what another one would do to the fleet.

use assay_collateral::baseline::{Effective, Pins};
use assay_collateral::subject::{Selection, Subject};
use assay_verify::intel::single::Tee;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::identity::HardwareIdentity;
use crate::identity::baselines::SetError;
use crate::maa::members::Members;
use crate::problem::{Problem, sentences};
use crate::upstream::Asker;

/// The pins, and what counts by them.
pub(super) async fn list(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    exchange.require("*", Permission::Read).await?;
    shown(exchange)
}

/// Replaces the pins; with `?version=` only those that the caller saw.
pub(super) async fn set(mut exchange: Exchange<'_>) -> Result<Answer, Problem> {
    let principal = exchange.require("*", Permission::Admin).await?;
    let expected = version(exchange.parts.uri.query());
    let body = exchange.body().await?;
    let pins = Pins::from_json(&body).map_err(|error| {
        Problem::invalid_parameter(
            error.code(),
            sentences(&error.to_string(), "`/openapi.json` has the form"),
        )
    })?;
    let unknown = pins.all().iter().filter_map(|pin| pin.provider.as_deref());
    if let Some(name) = unknown.into_iter().find(|name| exchange.app.registry.provider(name).is_none()) {
        let shown: String = name.chars().take(64).collect();
        let message =
            format!("There is no provider `{shown}`. Pins are for providers that exist, or for the fleet.");
        return Err(Problem::invalid_parameter("provider-unknown", message));
    }
    if !has(exchange.parts.uri.query(), "force", "true") {
        check_published(&exchange.app.identity, &pins).await?;
    }
    let (baselines, actor) = (exchange.app.identity.baselines(), principal.actor());
    let now = exchange.app.clock.now();
    let set =
        tokio::task::spawn_blocking(move || baselines.set(&actor, pins, expected.as_deref(), now)).await;
    match set {
        Ok(Ok(())) => shown(&exchange),
        Ok(Err(SetError::Changed)) => {
            let message =
                "The pins were changed since they were read. Read them again, and then change them.";
            Err(Problem::conflict("pins-changed", message))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "baselines were not set");
            Err(Problem::internal())
        }
        Err(_) => Err(Problem::internal()),
    }
}

/// Whether the evaluations of new pins can be had: with one that nobody has, all evidence would be refused.
async fn check_published(identity: &HardwareIdentity, pins: &Pins) -> Result<(), Problem> {
    let before = identity.baselines().pins();
    let new = pins.all().iter().filter(|pin| !before.all().iter().any(|known| known.number == pin.number));
    for number in new.map(|pin| pin.number) {
        for subject in identity.families_held() {
            let selection = Selection::Number(number);
            if identity.library.document(subject, selection, Asker::Own).await.is_ok() {
                continue;
            }
            let message = format!(
                "Evaluation {number} is not held for the family of `{subject}`, and no upstream has it now. With this pin its platforms \
                 get no documents, and their evidence is refused. `force=true` pins it all the same."
            );
            return Err(Problem::conflict("evaluation-not-held", message));
        }
    }
    Ok(())
}

fn has(query: Option<&str>, name: &str, value: &str) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair.split_once('=') == Some((name, value)))
}

fn version(query: Option<&str>) -> Option<String> {
    let pairs = query.unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == "version")
        .map(|(_, value)| value.to_owned())
}

fn shown(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let baselines = exchange.app.identity.baselines();
    let now = exchange.app.clock.now();
    let pins: Value = serde_json::from_str(&baselines.pins().to_json()).map_err(|_| Problem::internal())?;
    let fleet = effective(&baselines.effective(None, now));
    let providers: serde_json::Map<String, Value> = exchange
        .app
        .registry
        .list()
        .iter()
        .map(|provider| (provider.name.clone(), effective(&baselines.effective(Some(&provider.name), now))))
        .collect();
    let version = baselines.version();
    Answer::of(&json!({"version": version, "pins": pins, "fleet": fleet, "providers": providers}))
}

fn effective(effective: &Effective) -> Value {
    let later = |later: &Option<(Selection, assay_verify::UnixTime)>, time: &'static str| {
        later.map_or(
            Value::Null,
            |(selection, at)| json!({"evaluation": shown_as(selection), time: at.to_string()}),
        )
    };
    json!({
        "counts": shown_as(effective.counts),
        "also": later(&effective.also, "until"),
        "next": later(&effective.next, "from"),
        "explanation": effective.to_string(),
    })
}

fn shown_as(selection: Selection) -> Value {
    match selection {
        Selection::Number(number) => number.into(),
        Selection::Track(track) => track.as_str().into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    number: u32,
    against: Option<u32>,
}

/// What becomes of the platforms that are known here.
pub(super) async fn preview(mut exchange: Exchange<'_>) -> Result<Answer, Problem> {
    exchange.require("*", Permission::Read).await?;
    let body = exchange.body().await?;
    // Refuses what the typed reading would not: duplicates, and too much of anything.
    Members::parse(&body)?;
    let question: Question = serde_json::from_slice(&body).map_err(|_| {
        let message = "The body is not `{\"number\": 19, \"against\": 18}`. Name the evaluation to look at.";
        Problem::invalid_parameter("json-shape", message)
    })?;
    let identity = &exchange.app.identity;
    let against = question.against.or_else(|| current(identity)).ok_or_else(|| {
        let message = "No evaluation is held to compare with. Name one in `against`.";
        Problem::invalid_parameter("against-missing", message)
    })?;
    // A reader's questions count like anybody's: they must not use up what the fleet needs.
    let asker = Asker::Stranger(exchange.source);
    for subject in identity.families_held() {
        for number in [against, question.number] {
            // What cannot be had is left out of the tally, which says so.
            let _ = identity.library.document(subject, Selection::Number(number), asker).await;
        }
    }
    let tally = identity.preview(against, question.number).await.map_err(|error| {
        tracing::error!(%error, "no preview could be made");
        Problem::internal()
    })?;
    let mut answer = tally.to_json();
    if let Some(members) = answer.as_object_mut() {
        members.insert("number".to_owned(), question.number.into());
        members.insert("against".to_owned(), against.into());
    }
    Answer::of(&answer)
}

/// The evaluation that counts now: the pinned one, or the highest at which the standard track stands.
fn current(identity: &HardwareIdentity) -> Option<u32> {
    match identity.default_selection() {
        Selection::Number(number) => Some(number),
        Selection::Track(track) => {
            let shelf = identity.library.shelf();
            let of_sgx = |subject| matches!(subject, Subject::TcbInfo { tee: Tee::Sgx, .. });
            let standing =
                shelf.iter().filter(|(subject, tracks, _)| of_sgx(*subject) && tracks.contains(&track));
            standing.filter_map(|(_, _, held)| held.document.evaluation_number).max()
        }
    }
}
