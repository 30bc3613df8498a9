//! The same plugins on requests in Messages.

use super::*;

#[track_caller]
fn check(plugins: &Plugins, document: &str, expected: &str) -> Vec<Effect> {
    check_in(Protocol::Messages, plugins, document, expected)
}

#[test]
fn a_system_prompt_comes_first() {
    let told = check(&INSERT, r#"{"messages":[]}"#, r#"{"messages":[],"system":"Be \"brief\"."}"#);
    assert_eq!(told, [Effect::Ran(PluginKind::SystemPrompt, true)]);
    let own = r#"{"system":"Rhyme.","messages":[{"role":"user","content":"hi"}]}"#;
    check(&INSERT, own, &own.replace("Rhyme.", r#"Be \"brief\".\n\nRhyme."#));
    check(&REPLACE, own, &own.replace("Rhyme.", "Be brief."));
    let blocks = r#"{"system":[ {"type":"text","text":"Rhyme.","cache_control":{"type":"ephemeral"}}],"messages":[]}"#;
    let first = r#"[{"type":"text","text":"Be \"brief\"."}, {"#;
    check(&INSERT, blocks, &blocks.replace("[ {", first));
    check(&REPLACE, blocks, r#"{"system":"Be brief.","messages":[]}"#);
    check(&INSERT, r#"{"system":null}"#, r#"{"system":"Be \"brief\"."}"#);
    check(&INSERT, r#"{"system":[]}"#, r#"{"system":[{"type":"text","text":"Be \"brief\"."}]}"#);
    // Two readers of one body must not see two different things.
    check(&INSERT, r#"{"system":"a","syst\u0065m":"b"}"#, r#"{"syst\u0065m":"Be \"brief\".\n\nb"}"#);
}

#[test]
fn fields_are_blocked_and_bounded() {
    let params =
        RequestParams { blocked: &["top_k", "max_tokens"], max_tokens: Some(100), max_n: Some(1), strip_unknown: true };
    let told = check(
        &Plugins { request_params: Some(params), ..Plugins::NONE },
        r#"{"model":"m","max_tokens":4096,"top_k":5,"thinking":{},"n":3,"response_format":{},"mcp_servers":[]}"#,
        r#"{"model":"m","max_tokens":100,"thinking":{},"mcp_servers":[]}"#,
    );
    use Effect::{Blocked, MaxNCapped, MaxTokensCapped, Ran, UnknownStripped};
    let ran = Ran(PluginKind::RequestParams, true);
    assert_eq!(told, [Blocked(0), MaxTokensCapped, MaxNCapped, UnknownStripped, UnknownStripped, ran]);
}

const TOOLS: &str = concat!(
    r#"{"tools":[{"name":"read","input_schema":{}},{"type":"custom","name":"write","input_schema":{}}],"#,
    r#""tool_choice":{"type":"tool","name":"write"},"max_tokens":1}"#
);

#[test]
fn tools_are_filtered() {
    let read = r#"{"tools":[{"name":"read","input_schema":{}}],"max_tokens":1}"#;
    let told = check(&filter(&["read"], &[]), TOOLS, read);
    assert_eq!(told, [Effect::Ran(PluginKind::Tools, true)]);
    check(&filter(&[], &["write"]), TOOLS, read);
    check(&filter(&["other"], &[]), TOOLS, r#"{"max_tokens":1}"#);
    assert_eq!(check(&filter(&[], &["other"]), TOOLS, TOOLS), [Effect::Ran(PluginKind::Tools, false)]);
    let hosted = r#"{"tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"read"}]}"#;
    check(&filter(&[], &["web_search"]), hosted, r#"{"tools":[{"name":"read"}]}"#);
}

#[test]
fn a_choice_that_names_no_tool_stays() {
    for kind in ["auto", "any", "none"] {
        let choice = format!(r#""tool_choice":{{"type":"{kind}","disable_parallel_tool_use":true}}}}"#);
        let document = format!(r#"{{"tools":[{{"name":"read"}},{{"name":"write"}}],{choice}"#);
        check(&filter(&["read"], &[]), &document, &document.replace(r#",{"name":"write"}"#, ""));
    }
}

/// Nobody knows what a server of tools offers.
#[test]
fn servers_of_tools_are_judged_by_their_names() {
    let document = r#"{"mcp_servers":[{"type":"url","name":"files"}],"tools":[{"name":"read"}]}"#;
    check(&filter(&["read"], &[]), document, r#"{"tools":[{"name":"read"}]}"#);
    check(&filter(&[], &["files"]), document, r#"{"tools":[{"name":"read"}]}"#);
    check(&filter(&["read", "files"], &[]), document, document);
}

#[test]
fn tools_are_withdrawn() {
    let plugins = |history| Plugins { tools: Some(ToolPolicy::Remove { history }), ..Plugins::NONE };
    check(&plugins(false), TOOLS, r#"{"max_tokens":1}"#);
    check(&plugins(false), r#"{"mcp_servers":[{"name":"files"}],"max_tokens":1}"#, r#"{"max_tokens":1}"#);
    let document = concat!(
        r#"{"messages":[{"role":"user","content":"hi"},"#,
        r#"{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"s"},{"type":"tool_use","id":"1"}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]},"#,
        r#"{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"server_tool_use"},{"type":"web_search_tool_result"}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result"},{"type":"text","text":"well"}]}]}"#
    );
    check(&plugins(false), document, document);
    let told = check(
        &plugins(true),
        document,
        concat!(
            r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"a"}]},"#,
            r#"{"role":"user","content":[{"type":"text","text":"well"}]}]}"#
        ),
    );
    assert_eq!(told, [Effect::Ran(PluginKind::Tools, true)]);
    // A turn that has nothing to do with tools stays, whatever it is.
    let odd = r#"{"messages":[7,{"role":"user","content":[]},{"role":"assistant","content":[{"type":"thinking"}]}]}"#;
    check(&plugins(true), odd, odd);
    let twice = r#"{"messages":[{"role":"user","content":[{"type":"text","typ\u0065":"tool_result"}]}]}"#;
    check(&plugins(true), twice, r#"{"messages":[]}"#);
}

#[test]
fn several_at_once() {
    let plugins = Plugins { tools: Some(ToolPolicy::Remove { history: true }), ..INSERT };
    check(
        &plugins,
        r#"{"tools":[],"system":"S","messages":[{"role":"user","content":[{"type":"tool_result"}]}]}"#,
        r#"{"system":"Be \"brief\".\n\nS","messages":[]}"#,
    );
}
