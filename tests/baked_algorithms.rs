//! Which model a decision takes, by prices, windows, and what was measured.

use hardwire::protocol::prompt::Raw;
use hardwire::routing::{Error, Request, Routing};
use hardwire::table::{ModelId, Target};
use hardwire_baked::algorithms::TABLES;
use std::thread::sleep;
use std::time::Duration;

fn routing() -> Routing {
    Routing::new(&TABLES).expect("baked for this machine")
}

fn id(name: &str) -> ModelId {
    match (TABLES.resolve)(name) {
        Some(Target::Model(id)) => id,
        other => panic!("{name}: {other:?}"),
    }
}

/// The model for a prompt, and the position that it was taken from.
fn choose(routing: &Routing, prompt: &str) -> Result<(&'static str, usize), Error> {
    let messages = format!(r#"[{{"role":"user","content":"{prompt}"}}]"#);
    let body = Raw { messages: messages.as_bytes(), ..Raw::default() };
    let plan = routing.plan("auto", || Request { body, ..Request::default() })?;
    let candidate = plan.choice.expect("a virtual name").candidate;
    Ok((TABLES.model(plan.model.expect("a model is asked")).name, candidate))
}

#[track_caller]
fn check(routing: &Routing, prompt: &str, model: &str) {
    let (chosen, _) = choose(routing, prompt).expect("there is a model for it");
    assert_eq!(chosen, model, "{}…", &prompt[..prompt.len().min(20)]);
}

/// A request to each model, none of which is answered: nobody is tried again for a while.
fn try_all(routing: &Routing) {
    (0..TABLES.models.len()).for_each(|n| drop(routing.live().begin(ModelId(n as u16))));
}

/// One request to a model whose answer takes this long, with this many tokens if it is streamed.
fn measure(routing: &Routing, model: &str, first_byte: Duration, tokens: usize, token: Duration) {
    let mut passage = routing.live().begin(id(model)).expect("decisions ask for it");
    sleep(first_byte);
    for _ in 0..tokens {
        passage.came(b"data: {}\n\n", true);
        sleep(token);
    }
    if tokens == 0 {
        passage.came(b"{}", false);
    }
    passage.complete();
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_cheapest_that_holds_the_request() {
    let routing = routing();
    // Four bytes a token, and four tokens for the message.
    assert_eq!(choose(&routing, "hello").unwrap(), ("small", 1));
    assert_eq!(choose(&routing, &"a ".repeat(96 * 2)).unwrap(), ("small", 1));
    assert_eq!(choose(&routing, &"a ".repeat(97 * 2)).unwrap(), ("medium", 2));
    assert_eq!(choose(&routing, &"a ".repeat(2000)).unwrap(), ("large", 0));
    // None holds it: the backend with the largest window may say so.
    assert_eq!(choose(&routing, &"a ".repeat(20_000)).unwrap(), ("large", 0));
}

#[test]
fn the_fastest_of_those_that_were_measured() {
    let routing = routing();
    try_all(&routing);
    check(&routing, "fast", "large");
    measure(&routing, "medium", MS, 0, MS);
    check(&routing, "fast", "large");
    measure(&routing, "medium", 9 * MS, 4, MS);
    check(&routing, "fast", "medium");
    measure(&routing, "unpriced", MS, 4, MS);
    check(&routing, "fast", "unpriced");
    // Much slower for each token, and only a little faster to the first one.
    measure(&routing, "large", MS, 4, 40 * MS);
    check(&routing, "fast", "unpriced");
}

#[test]
fn factors_are_weighed() {
    let routing = routing();
    // All for quality and nothing for cost, or the other way round, is worth less than most of both.
    check(&routing, "weighed", "medium");
    let busy: Vec<_> = (0..3).map(|_| routing.live().begin(id("medium"))).collect();
    check(&routing, "weighed", "large");
    drop(busy);
    check(&routing, "weighed", "medium");
    // What has neither a quality nor a price has nothing to show for it.
    check(&routing, "good", "large");
}

#[test]
fn one_factor_after_the_other() {
    let routing = routing();
    // Without a quality, it is not compared by the price that it does not have either.
    check(&routing, "ordered", "large");
    // Close enough to the best, both idle, and cheaper.
    check(&routing, "near", "medium");
    let busy = routing.live().begin(id("medium"));
    check(&routing, "near", "large");
    drop(busy);
    check(&routing, "near", "medium");
}

/// Who is first does not get all requests only because nothing is known of the others.
#[test]
fn what_was_not_measured_is_tried_first() {
    let routing = routing();
    let mut models = Vec::new();
    loop {
        let chosen = choose(&routing, "fast").unwrap().0;
        if models.contains(&chosen) {
            break;
        }
        measure(&routing, chosen, MS, 4, MS);
        models.push(chosen);
    }
    assert!(models.len() > 2 && models[0] == "large", "{models:?}");
}

#[test]
fn the_latency_that_is_asked_for() {
    let routing = routing();
    try_all(&routing);
    // Nothing is known of anybody.
    check(&routing, "soon", "large");
    // A fast model of which only the whole answer was seen, and one that is slow to begin and fast then.
    measure(&routing, "medium", 60 * MS, 4, MS);
    check(&routing, "soon", "medium");
    measure(&routing, "small", 5 * MS, 4, 20 * MS);
    check(&routing, "soon", "small");
}

#[test]
fn ceilings_hold() {
    let routing = routing();
    // The large one is too expensive.
    check(&routing, "bounded", "medium");
    let busy: Vec<_> = (0..3).map(|_| routing.live().begin(id("medium"))).collect();
    check(&routing, "bounded", "small");
    drop(busy);
    check(&routing, "bounded", "medium");
    measure(&routing, "medium", MS, 3, 5 * MS);
    check(&routing, "bounded", "small");
    // All are beyond: the cheapest.
    measure(&routing, "small", MS, 3, 5 * MS);
    check(&routing, "bounded", "small");
    assert!(matches!(choose(&routing, "strict"), Err(Error::NoCandidate)));
}

#[test]
fn nothing_is_measured_where_nobody_asks() {
    let other = Routing::new(&hardwire_baked::basic::TABLES).expect("baked for this machine");
    assert!(other.live().begin(ModelId(0)).is_none());
}
