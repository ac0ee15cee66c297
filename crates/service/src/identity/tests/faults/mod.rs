//! Every fault of a vendor's with every kind of document: what a client gets, what is kept, and what comes after.
//!
//! Each cell runs a service of its own against the simulated vendors over TLS, with a clock that the test moves.

mod scene;
mod table;

use std::sync::atomic::{AtomicUsize, Ordering};

use scene::{Ground, Scene};
use table::{Cell, KINDS, Kind, Trouble};

use super::*;

/// Most of the time a cell waits for a vendor.
const WORKERS: usize = 8;

#[test]
fn every_kind_of_document_survives_every_fault() {
    let ground = Ground::make();
    let cells: Vec<_> =
        Trouble::all().into_iter().flat_map(|trouble| KINDS.map(|kind| (trouble, kind))).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((trouble, kind)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = cell(&ground, *trouble, *kind) {
                        failures.lock().unwrap().push(format!("{trouble:?} x {kind:?}: {problem}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} cells:\n{}", failures.len(), cells.len(), failures.join("\n"));
}

fn cell(ground: &Ground, trouble: Trouble, kind: Kind) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cell = trouble.cell(kind);
    let told = |when: &'static str| move |problem: String| format!("{when}: {problem}");
    runtime.block_on(async {
        nothing_held(Scene::start(ground).await, trouble, kind, cell).await.map_err(told("nothing held"))?;
        held(Scene::start(ground).await, trouble, kind, cell).await.map_err(told("held"))
    })
}

/// The fault comes before anything of this kind is here.
async fn nothing_held(mut scene: Scene<'_>, trouble: Trouble, kind: Kind, cell: Cell) -> Result<(), String> {
    scene.prepare(kind).await;
    let (stored, counted) = (scene.stored(), trouble.code().map(|code| scene.failed(code)));
    scene.strike(trouble, kind).await;
    if trouble == Trouble::Killed {
        let is_asked = scene.kill(kind, false).await;
        check(is_asked == !matches!(cell, Cell::Untouched(_)) || kind == Kind::Families, "asked", &is_asked)?;
    } else {
        let reply = scene.get(kind).await;
        match cell {
            Cell::Retry => is_empty_503(&reply)?,
            Cell::Genuine | Cell::Untouched(_) => check(reply.status == 200, "the status", &reply.status)?,
        }
        if cell == Cell::Retry {
            let counts = trouble.code().map(|code| scene.failed(code));
            check(counts.is_none() || counts > counted, "failures were counted", &counts)?;
        }
    }
    if cell == Cell::Retry {
        check(scene.stored() == stored, "what is stored", &scene.stored())?;
    }
    scene.calm();
    scene.rest().await;
    if cell == Cell::Genuine {
        // The next day's refresh brings what is newer; a platform that was given another's certificates says who it is.
        scene.pass(DAY).await;
        scene.refresh(kind).await;
        if kind == Kind::PckCertificates {
            scene.register_again().await;
        }
    }
    is_right(&scene, kind, &scene.get(kind).await)
}

/// The fault comes when something is due.
async fn held(mut scene: Scene<'_>, trouble: Trouble, kind: Kind, cell: Cell) -> Result<(), String> {
    scene.prepare(kind).await;
    let before = scene.get(kind).await;
    is_right(&scene, kind, &before)?;
    scene.pass(2 * DAY).await;
    let (stored, counted) = (scene.stored(), trouble.code().map(|code| scene.failed(code)));
    scene.strike(trouble, kind).await;
    if trouble == Trouble::Killed {
        let is_asked = scene.kill(kind, true).await;
        let expected = kind.is_refreshed() && cell == Cell::Retry;
        check(is_asked == expected, "whether the vendor was asked", &is_asked)?;
    } else {
        scene.refresh(kind).await;
    }
    if let Cell::Untouched(_) = cell {
        if trouble == Trouble::Killed {
            scene.calm();
        }
        is_right(&scene, kind, &scene.get(kind).await)?;
    } else {
        is_same(&scene.get(kind).await, &before)?;
        let counts = trouble.code().map(|code| scene.failed(code));
        let fails = cell == Cell::Retry && kind.is_refreshed();
        check(!fails || counts.is_none() || counts > counted, "failures were counted", &counts)?;
    }
    if cell == Cell::Retry {
        check(scene.stored() == stored, "what is stored", &"changed")?;
    }
    scene.calm();
    scene.rest().await;
    scene.refresh(kind).await;
    let after = scene.get(kind).await;
    is_right(&scene, kind, &after)?;
    let is_newer = after.body != before.body;
    let renewed = kind.is_refreshed() && kind != Kind::Families;
    check(is_newer == renewed, "whether it is another one than before", &is_newer)
}

fn check(holds: bool, what: &str, found: &dyn std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what}: {found:?}")) }
}

/// Worth asking again, and nothing that a client could take for data.
fn is_empty_503(reply: &Reply) -> Result<(), String> {
    let names: Vec<&str> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    let found = (reply.status.as_u16(), reply.body.len(), names);
    check(found == (503, 0, vec!["retry-after"]), "the answer", &found)
}

/// The very bytes, and every header beside them.
fn is_same(reply: &Reply, before: &Reply) -> Result<(), String> {
    let same = reply.status == before.status && reply.body == before.body && reply.headers == before.headers;
    check(same, "what was held is not given out", &(reply.status, reply.body.len()))
}

/// What the vendor has now, byte for byte; certificates are signed anew each time, and name what they are for.
fn is_right(scene: &Scene<'_>, kind: Kind, reply: &Reply) -> Result<(), String> {
    check(reply.status == 200, "the status", &reply.status)?;
    let (body, name) = (String::from_utf8_lossy(&reply.body), header(reply, "sgx-fmspc"));
    match kind {
        Kind::PckCertificates => check(name == "53494D000002", "the family of the certificate", &name),
        Kind::Vcek => check(reply.body.len() > 1000, "the size", &reply.body.len()),
        Kind::Families => check(body.matches("fmspc").count() == 2, "families", &body),
        Kind::VcekChain | Kind::VlekChain => {
            let vendors = scene.vendors_own(kind);
            check(reply.body == vendors, "the chain", &(reply.body.len(), vendors.len()))
        }
        _ => {
            let vendors = scene.vendors_own(kind);
            check(reply.body == vendors, "it is not the vendor's of now", &(reply.body.len(), vendors.len()))
        }
    }
}
