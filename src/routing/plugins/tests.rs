use super::*;
use crate::table::{RequestParams, SystemPrompt};
use bytes::Bytes;

mod tests_in_messages;

/// What a body becomes, however it is cut, and what is told about it.
#[track_caller]
fn check(plugins: &Plugins, document: &str, expected: &str) -> Vec<Effect> {
    check_in(Protocol::Chat, plugins, document, expected)
}

/// The same of either protocol.
#[track_caller]
fn check_in(protocol: Protocol, plugins: &Plugins, document: &str, expected: &str) -> Vec<Effect> {
    let mut told = Vec::new();
    let whole = Bytes::from(document.to_owned());
    for cut in 0..=document.len() {
        let mut body = Chunks::default();
        body.push(whole.slice(..cut));
        body.push(whole.slice(cut..));
        let mut draft = Draft::of(&body, 0..body.len()).unwrap();
        told.clear();
        edit(protocol, plugins, &body, &mut draft, |effect| told.push(effect)).unwrap();
        let edited = body.edited(&draft.into_edits()).into_inner().concat();
        assert_eq!(String::from_utf8(edited).unwrap(), expected, "cut at {cut}");
    }
    told
}

const INSERT: Plugins = Plugins { system_prompt: Some(SystemPrompt::Insert("Be \\\"brief\\\".")), ..Plugins::NONE };
const REPLACE: Plugins = Plugins { system_prompt: Some(SystemPrompt::Replace("Be brief.")), ..Plugins::NONE };

#[test]
fn a_system_prompt_comes_first() {
    let told = check(
        &INSERT,
        r#"{"messages": [ {"role":"user","content":"hi"}]}"#,
        r#"{"messages": [{"role":"system","content":"Be \"brief\"."}, {"role":"user","content":"hi"}]}"#,
    );
    assert_eq!(told, [Effect::Ran(PluginKind::SystemPrompt, true)]);
    check(&INSERT, r#"{"messages":[]}"#, r#"{"messages":[{"role":"system","content":"Be \"brief\"."}]}"#);
    check(
        &REPLACE,
        r#"{"messages":[{"role":"user","content":"hi"}]}"#,
        r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}]}"#,
    );
}

#[test]
fn the_clients_system_prompt_stays_or_goes() {
    let own = r#"{"messages":[{"content":"Rhyme.","role":"system","name":"n"},{"role":"user","content":"hi"}]}"#;
    check(&INSERT, own, &own.replace("Rhyme.", r#"Be \"brief\".\n\nRhyme."#));
    check(&REPLACE, own, &own.replace("Rhyme.", "Be brief."));
    let parts = r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"Rhyme."}]}]}"#;
    check(
        &INSERT,
        parts,
        r#"{"messages":[{"role":"developer","content":[{"type":"text","text":"Be \"brief\"."},{"type":"text","text":"Rhyme."}]}]}"#,
    );
    check(&REPLACE, parts, r#"{"messages":[{"role":"developer","content":"Be brief."}]}"#);
    check(&REPLACE, r#"{"messages":[{"role":"system"}]}"#, r#"{"messages":[{"role":"system","content":"Be brief."}]}"#);
}

const PARAMS: Plugins = Plugins {
    request_params: Some(RequestParams {
        blocked: &["logit_bias", "seed"],
        max_tokens: Some(100),
        max_n: Some(2),
        strip_unknown: false,
    }),
    ..Plugins::NONE
};

#[test]
fn fields_are_blocked_and_bounded() {
    let told = check(
        &PARAMS,
        r#"{"seed":1,"model":"m","max_tokens":1e3,"max_completion_tokens":100,"n":3}"#,
        r#"{"model":"m","max_tokens":100,"max_completion_tokens":100,"n":2}"#,
    );
    use Effect::{Blocked, MaxNCapped, MaxTokensCapped, Ran};
    assert_eq!(told, [Blocked(1), MaxTokensCapped, MaxNCapped, Ran(PluginKind::RequestParams, true)]);
    let told = check(&PARAMS, r#"{"max_tokens":99,"n":null}"#, r#"{"max_tokens":99,"n":null}"#);
    assert_eq!(told, [Ran(PluginKind::RequestParams, false)]);
}

/// Whatever a lenient reader could take for a larger number.
#[test]
fn nothing_gets_around_a_bound() {
    check(&PARAMS, r#"{"max_tokens":"5000"}"#, "{}");
    check(&PARAMS, r#"{"max_tokens":100.5}"#, "{}");
    check(&PARAMS, r#"{"max_tokens":1e400}"#, "{}");
    check(&PARAMS, r#"{"n":9,"n":9}"#, r#"{"n":2}"#);
    check(&PARAMS, r#"{"max_\u0074okens":5000}"#, r#"{"max_\u0074okens":100}"#);
    check(&PARAMS, r#"{"n":18446744073709551616}"#, r#"{"n":2}"#);
}

#[test]
fn unknown_fields_go() {
    let params = RequestParams { blocked: &[], max_tokens: None, max_n: None, strip_unknown: true };
    let told = check(
        &Plugins { request_params: Some(params), ..Plugins::NONE },
        r#"{"model":"m","messages":[],"stream_options":{},"guided_json":{"model":1},"top_k":5}"#,
        r#"{"model":"m","messages":[],"stream_options":{}}"#,
    );
    assert_eq!(told.iter().filter(|effect| **effect == Effect::UnknownStripped).count(), 2);
}

const TOOLS: &str = concat!(
    r#"{"tools":[{"type":"function","function":{"name":"read"}},{"type":"function","function":{"name":"write"}}],"#,
    r#""tool_choice":{"type":"function","function":{"name":"write"}},"parallel_tool_calls":true,"n":1}"#
);

const fn filter(allow: &'static [&'static str], block: &'static [&'static str]) -> Plugins {
    Plugins { tools: Some(ToolPolicy::Filter { allow, block }), ..Plugins::NONE }
}

#[test]
fn tools_are_filtered() {
    let read = r#"{"tools":[{"type":"function","function":{"name":"read"}}],"parallel_tool_calls":true,"n":1}"#;
    let told = check(&filter(&["read"], &[]), TOOLS, read);
    assert_eq!(told, [Effect::Ran(PluginKind::Tools, true)]);
    check(&filter(&[], &["write"]), TOOLS, read);
    check(&filter(&["read", "write"], &["write"]), TOOLS, read);
    check(&filter(&["other"], &[]), TOOLS, r#"{"n":1}"#);
    assert_eq!(check(&filter(&[], &["other"]), TOOLS, TOOLS), [Effect::Ran(PluginKind::Tools, false)]);
    let write = TOOLS.replace(r#"{"type":"function","function":{"name":"read"}},"#, "");
    check(&filter(&["write"], &[]), TOOLS, &write);
    check(&filter(&["b"], &[]), r#"{"functions":[{"name":"a"},{"name":"b"}]}"#, r#"{"functions":[{"name":"b"}]}"#);
    // What has no name is on no list.
    check(&filter(&["b"], &[]), r#"{"tools":[{"type":"web_search"}, 7]}"#, "{}");
}

/// Two readers of one body must not see two different things.
#[test]
fn a_choice_among_tools_stays_while_all_of_them_do() {
    let of = |name: &str| {
        let tools = r#"{"tools":[{"function":{"name":"read"}},{"function":{"name":"write"}}]"#;
        let choice = r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[{"function":{"name":"#;
        format!("{tools},{choice}\"{name}\"}}}}]}}}}}}")
    };
    let left = r#"{"tools":[{"function":{"name":"read"}}]}"#;
    for policy in [filter(&["read"], &[]), filter(&[], &["write"])] {
        check(&policy, &of("read"), &of("read").replace(r#",{"function":{"name":"write"}}"#, ""));
        check(&policy, &of("write"), left);
    }
}

#[test]
fn nothing_gets_past_by_being_of_two_kinds() {
    let read = r#"{"tools":[{"function":{"name":"read"}}]}"#;
    for other in [r#""custom":{"name":"write"}"#, r#""name":"write""#] {
        let two = format!(r#"{{"tools":[{{"function":{{"name":"read"}},{other}}},{{"function":{{"name":"read"}}}}]}}"#);
        check(&filter(&["read"], &[]), &two, read);
        check(&filter(&[], &["write"]), &two, read);
    }
}

#[test]
fn nothing_gets_past_by_standing_twice() {
    let twice = r#"{"tools":[{"function":{"name":"read","name":"write"}},{"function":{"name":"read"}}]}"#;
    let once = r#"{"tools":[{"function":{"name":"read"}}]}"#;
    check(&filter(&["read"], &[]), twice, once);
    check(&filter(&[], &["write"]), twice, once);
    let nested = r#"{"tools":[{"function":{"name":"read"},"function":{"name":"write"}},{"function":{"name":"read"}}]}"#;
    check(&filter(&[], &["write"]), nested, once);
    check(
        &INSERT,
        r#"{"messages":[{"role":"system","content":"a","cont\u0065nt":"b"}]}"#,
        r#"{"messages":[{"role":"system","cont\u0065nt":"Be \"brief\".\n\nb"}]}"#,
    );
}

#[test]
fn what_is_no_list_of_tools_is_refused() {
    let refused = |plugins: &Plugins, document: &str| {
        let mut body = Chunks::default();
        body.push(Bytes::from(document.to_owned()));
        let mut draft = Draft::of(&body, 0..body.len()).unwrap();
        edit(Protocol::Chat, plugins, &body, &mut draft, |_| {}).err().map(|error| error.to_string())
    };
    let only = filter(&["search"], &[]);
    for (document, message) in [
        (r#"{"tools":{"function":{"name":"shell"}}}"#, "tools field must be an array, got an object"),
        (r#"{"tools":"shell"}"#, "tools field must be an array, got a string"),
        (r#"{"tools":[],"functions":{"name":"shell"}}"#, "functions field must be an array, got an object"),
    ] {
        assert_eq!(refused(&only, document).as_deref(), Some(message));
        assert_eq!(refused(&filter(&[], &["shell"]), document).as_deref(), Some(message));
        assert_eq!(refused(&INSERT, document), None, "nobody looks at tools");
    }
    check(&only, r#"{"tools":null}"#, r#"{"tools":null}"#);
    let none = Plugins { tools: Some(ToolPolicy::Remove { history: false }), ..Plugins::NONE };
    check(&none, r#"{"a":1,"tools":"shell"}"#, r#"{"a":1}"#);
}

#[test]
fn tools_are_withdrawn() {
    let plugins = |history| Plugins { tools: Some(ToolPolicy::Remove { history }), ..Plugins::NONE };
    check(&plugins(false), TOOLS, r#"{"n":1}"#);
    let document = concat!(
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},"#,
        r#"{"role":"tool","content":"x"},{"role":"assistant","tool_calls":[],"content":"well"}]}"#
    );
    check(&plugins(false), document, document);
    let told = check(
        &plugins(true),
        document,
        r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"well"}]}"#,
    );
    assert_eq!(told, [Effect::Ran(PluginKind::Tools, true)]);
}

#[test]
fn several_at_once() {
    let plugins = Plugins { tools: Some(ToolPolicy::Remove { history: true }), ..INSERT };
    check(
        &plugins,
        r#"{"tools":[],"messages":[{"role":"tool","content":"x"},{"role":"system","content":"S"}]}"#,
        r#"{"messages":[{"role":"system","content":"Be \"brief\".\n\nS"}]}"#,
    );
}
