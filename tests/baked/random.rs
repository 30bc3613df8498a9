//! Random documents, the same in every build: signals of every family over a handful of words, and rules over them.

use std::fmt::Write as _;

/// What texts are made of; the tests write theirs from the same.
const WORDS: [&str; 8] = ["alpha", "beta", "gamma", "delta", "critical", "now", "draw", "explain"];

/// Numbers without a pattern.
pub(crate) struct Random(pub(crate) u64);

/// A whole document with this `routing`, and with a recipe that has another and is asked for as `r`.
pub(crate) fn document(routing: &str, recipe: Option<&str>) -> String {
    let mut out = String::from("providers:\n  models: [{name: m, backend_refs: [{provider: echo}]}]\n");
    out.push_str("  defaults: {default_model: m}\n");
    out.push_str("global:\n  services: {authz: {fail_open: true}}\n  model_catalog: {modules: {modality_detector: ");
    out.push_str("{enabled: true, method: keyword, keywords: [draw], both_keywords: [explain]}}}\n");
    let _ = write!(out, "routing:\n  modelCards: [{{name: m, modality: omni}}]\n{routing}");
    if let Some(recipe) = recipe {
        out.push_str("entrypoints: [{model_names: [r], recipe: r}]\nrecipes:\n  - name: r\n    routing:\n");
        for line in recipe.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    fn one<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    fn predicate(&mut self, numbers: &[&str]) -> String {
        let (bound, number) = (self.one(&["gt", "gte", "lt", "lte"]), self.one(numbers));
        if self.below(4) == 0 { String::new() } else { format!(", predicate: {{{bound}: {number}}}") }
    }

    /// What stands in `routing`.
    pub(crate) fn routing(&mut self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "  strategy: {}", self.one(&["priority", "confidence"]));
        out.push_str("  signals:\n");
        self.signals(&mut out);
        self.projections(&mut out);
        out.push_str("  decisions:\n");
        let tiers = if self.below(2) == 0 { 1 } else { 3 };
        for n in 0..3 + self.below(4) {
            let (priority, tier, rule) = (self.below(3), self.below(tiers), self.rule(2));
            let _ = writeln!(out, "    - {{name: d{n}, priority: {priority}, tier: {tier}, rules: {rule}}}");
        }
        if self.below(2) == 0 {
            out.push_str("    - {name: rest, priority: -1}\n");
        }
        out
    }

    fn signals(&mut self, out: &mut String) {
        out.push_str("    keywords:\n");
        for n in 0..3 {
            let (operator, exact) = (self.one(&["OR", "AND", "NOR"]), self.one(&["true", "false"]));
            let (one, other) = (self.word(), self.word());
            let _ = writeln!(
                out,
                "      - {{name: s{n}, operator: {operator}, case_sensitive: {exact}, keywords: [{one}, {other}]}}"
            );
        }
        out.push_str("    context: [{name: s0, max_tokens: 12}, {name: s1, min_tokens: 10, max_tokens: 20}]\n");
        out.push_str("    structure:\n");
        for n in 0..4 {
            let (one, other) = (self.word(), self.word());
            let kind = self.one(&["count", "exists", "density"]);
            let feature = match self.below(4) {
                0 => format!("{{type: {kind}, source: {{type: keyword_set, keywords: [{one}, {other}]}}}}"),
                1 => format!("{{type: {kind}, source: {{type: regex, pattern: '{one}|{other}|[?!]+'}}}}"),
                2 => format!("{{type: sequence, source: {{type: sequence, sequences: [[{one}, {other}]]}}}}"),
                _ => "{type: count, source: {type: text_bytes}}".to_owned(),
            };
            let predicate = self.predicate(&["0", "0.25", "0.5", "1", "2", "20"]);
            let _ = writeln!(out, "      - {{name: s{n}, feature: {feature}{predicate}}}");
        }
        out.push_str("    conversation:\n");
        for n in 0..3 {
            let kind = self.one(&["count", "exists"]);
            let source = self.one(&[
                "message",
                "message, role: user",
                "message, role: non_user",
                "tool_definition",
                "active_tool_loop",
                "assistant_tool_cycle",
            ]);
            let predicate = self.predicate(&["0", "1", "2"]);
            let _ = writeln!(
                out,
                "      - {{name: s{n}, feature: {{type: {kind}, source: {{type: {source}}}}}{predicate}}}"
            );
        }
        let _ =
            writeln!(out, "    metadata: [{{name: s0, key: k, predicate: {{in: [{}, b]}}}},", self.one(&["a", "c"]));
        let _ = writeln!(out, "      {{name: s1, key: k, predicate: {{exists: {}}}}}]", self.one(&["true", "false"]));
        out.push_str(
            "    role_bindings: [{name: b, role: s0, subjects: [{kind: User, name: u}, {kind: Group, name: g}]}]\n",
        );
        let (one, other) = (self.word(), self.word());
        let _ =
            writeln!(out, "    events: [{{name: s0, event_types: [{one}], action_codes: [{other}], temporal: true}},");
        let _ = writeln!(out, "      {{name: s1, severities: [critical, high], event_types: [{other}]}}]");
        out.push_str("    modality: [{name: AR}, {name: DIFFUSION}, {name: BOTH}]\n");
        let threshold = self.one(&["0.3", "0.5", "0.9"]);
        let _ = writeln!(out, "    language: [{{name: en}}, {{name: de, threshold: {threshold}}}]");
    }

    fn projections(&mut self, out: &mut String) {
        out.push_str("  projections:\n    scores:\n      - name: s0\n        method: weighted_sum\n        inputs:\n");
        for (family, sources) in [
            ("keyword", &["binary", "confidence"][..]),
            ("structure", &["binary", "confidence", "raw"]),
            ("structure", &["confidence", "raw"]),
            ("conversation", &["raw"]),
            ("event", &["confidence"]),
        ] {
            let (n, weight, source) = (self.below(2), self.one(&["0.5", "-0.3", "1", "0.2"]), self.one(sources));
            let ends = if source == "binary" { ", match: 0.7, miss: 0.2" } else { "" };
            let _ = writeln!(
                out,
                "          - {{type: {family}, name: s{n}, weight: {weight}, value_source: {source}{ends}}}"
            );
        }
        // Declared before what they depend on, which is put in order.
        let (weight, other) = (self.one(&["0.5", "-0.4", "1"]), self.one(&["0.7", "-1", "2"]));
        let _ = writeln!(
            out,
            "      - {{name: s1, method: weighted_sum, inputs: [{{type: projection, name: s2, weight: {weight}, value_source: confidence}}, {{type: projection, name: s2, weight: {other}}}]}}"
        );
        let _ = writeln!(
            out,
            "      - {{name: s2, method: weighted_sum, inputs: [{{type: projection, name: s0, weight: {other}, value_source: score}}, {{type: keyword, name: s0, weight: {weight}}}]}}"
        );
        let (method, slope) = (self.one(&["threshold_bands", "multi_emit"]), self.one(&["1", "4", "12"]));
        let _ = writeln!(
            out,
            "    mappings: [{{name: n, source: s1, method: {method}, outputs: [{{name: s3, gt: 0.4}}]}},"
        );
        let _ = writeln!(out, "      {{name: m, source: s0, method: {method}, calibration: {{slope: {slope}}},");
        out.push_str("      outputs: [{name: s0, gte: 1}, {name: s1, gt: 0.2, lt: 1.5}, {name: s2}]}]\n");
    }

    fn rule(&mut self, depth: usize) -> String {
        let group = |random: &mut Random, operator: &str| {
            let rules: Vec<String> = (0..2 + random.below(2)).map(|_| random.rule(depth - 1)).collect();
            format!("{{operator: {operator}, conditions: [{}]}}", rules.join(", "))
        };
        match if depth == 0 { 0 } else { self.below(6) } {
            0..=2 => self.leaf(),
            3 => group(self, "AND"),
            4 => group(self, "OR"),
            _ => format!("{{operator: NOT, conditions: [{}]}}", self.rule(depth - 1)),
        }
    }

    fn leaf(&mut self) -> String {
        let families: [(&str, usize); 10] = [
            ("keyword", 3),
            ("context", 2),
            ("structure", 4),
            ("structure", 4),
            ("conversation", 3),
            ("metadata", 2),
            ("event", 2),
            ("authz", 1),
            ("projection", 4),
            ("projection", 4),
        ];
        if self.below(9) == 0 {
            return format!("{{type: modality, name: {}}}", self.one(&["AR", "DIFFUSION", "BOTH"]));
        }
        if self.below(9) == 0 {
            return format!("{{type: language, name: {}}}", self.one(&["en", "de"]));
        }
        let (family, count) = families[self.below(families.len())];
        let predicate = if self.below(4) == 0 { self.predicate(&["0.6", "0.8", "1"]) } else { String::new() };
        format!("{{type: {family}, name: s{}{predicate}}}", self.below(count))
    }
}
