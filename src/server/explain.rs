//! `hardwire explain`: what would become of a request, and why, as a tree for people or as JSON. Sends and serves nothing.

use super::Error;
use super::flags::Question;
use crate::apiserver::evaluation;
use crate::protocol::prompt::Raw;
use crate::routing::explain::{Explanation, Noticed, Part, Trace, signal_name};
use crate::routing::{Request, Routing};
use crate::table::{Policy, Tables};
use std::io::{self, Read, Write};
use std::time::Instant;

/// Longer pieces of a text are cut where they are shown.
const SHOWN: usize = 60;

/// Explains one request to `out`.
pub(super) fn explain(tables: &'static Tables, question: &Question, out: &mut impl Write) -> Result<(), Error> {
    let mut prompt = question.prompt.clone();
    if prompt == "-" {
        prompt.clear();
        io::stdin().read_to_string(&mut prompt)?;
    }
    let name = question.model.as_deref().or_else(|| tables.auto_names.first().copied()).unwrap_or("auto");
    let messages = serde_json::json!([{ "role": "user", "content": prompt }]).to_string();
    let body = Raw { messages: messages.as_bytes(), ..Raw::default() };
    let routing = Routing::new(tables)?;
    let began = Instant::now();
    let explained =
        routing.explain(name, Request { body, user: &question.user, groups: &question.groups, wish: None })?;
    if question.json {
        let evaluation = evaluation(tables, question.model.as_deref(), &explained, true, began.elapsed());
        writeln!(out, "{}", serde_json::to_string_pretty(&evaluation).map_err(io::Error::from)?)?;
        return Ok(());
    }
    let mut tree = Tree { tables, policy: explained.policy, out };
    tree.head(name, &explained)?;
    tree.signals(&explained)?;
    tree.decisions(&explained)?;
    Ok(())
}

struct Tree<'a, W> {
    tables: &'static Tables,
    policy: &'static Policy,
    out: &'a mut W,
}

impl<W: Write> Tree<'_, W> {
    fn head(&mut self, name: &str, explained: &Explanation) -> io::Result<()> {
        let own = if explained.answers_itself(self.tables) { "its own answer" } else { "nothing" };
        let model = explained.model(self.tables).unwrap_or(own);
        writeln!(self.out, "{name} -> {model}")?;
        writeln!(self.out, "  because {}", explained.reason(self.tables))?;
        if self.tables.policies.len() > 1
            && let Some(recipe) = explained.recipe
        {
            writeln!(self.out, "  recipe: {recipe}")?;
        }
        writeln!(self.out, "  text: {:?}, request: about {} tokens", cut(&explained.text), explained.tokens)
    }

    fn signals(&mut self, explained: &Explanation) -> io::Result<()> {
        if !explained.signals.is_empty() {
            writeln!(self.out, "\nsignals")?;
        }
        for noticed in &explained.signals {
            let (mark, sure) = match noticed.confidence {
                Some(confidence) => ("[x]", format!(" {confidence:.4}")),
                None => ("[ ]", String::new()),
            };
            let name = signal_name(self.policy, noticed.signal);
            writeln!(self.out, "  {mark} {name}{sure}{}", found(noticed, &explained.text))?;
        }
        Ok(())
    }

    fn decisions(&mut self, explained: &Explanation) -> io::Result<()> {
        if !explained.decisions.is_empty() {
            writeln!(self.out, "\ndecisions")?;
        }
        for considered in &explained.decisions {
            let decision = self.tables.decision(considered.decision);
            let mark = if considered.matched { "[x]" } else { "[ ]" };
            let sure = if considered.matched { format!(" {:.4}", considered.confidence) } else { String::new() };
            let tier = if decision.tier > 0 { format!(", tier {}", decision.tier) } else { String::new() };
            let won = explained.won().is_some_and(|(id, _)| id == considered.decision);
            let won = if won { "  <- wins" } else { "" };
            writeln!(self.out, "  {mark} {}{sure} (priority {}{tier}){won}", decision.name, decision.priority)?;
            match &considered.trace {
                Some(trace) => self.part(trace, 6)?,
                None => writeln!(self.out, "      always")?,
            }
            if let (Some(annotations), true) = (decision.annotations, considered.matched) {
                writeln!(self.out, "      annotations {annotations}")?;
            }
        }
        Ok(())
    }

    fn part(&mut self, trace: &Trace, indent: usize) -> io::Result<()> {
        let mark = if trace.matched { "[x]" } else { "[ ]" };
        let sure = if trace.matched { format!(" {:.4}", trace.confidence) } else { String::new() };
        let what = match trace.part {
            Part::Leaf(id) => signal_name(self.policy, id),
            Part::And => "AND".to_owned(),
            Part::Or => "OR".to_owned(),
            Part::Not => "NOT".to_owned(),
        };
        writeln!(self.out, "{:indent$}{mark} {what}{sure}", "")?;
        trace.children.iter().try_for_each(|child| self.part(child, indent + 2))
    }
}

/// What of a signal stands in the text, and where.
fn found(noticed: &Noticed, text: &str) -> String {
    let places =
        noticed.places.iter().map(|(_, at)| format!("{:?} at {}..{}", cut(&text[at.clone()]), at.start, at.end));
    let places: Vec<String> = places.collect();
    if places.is_empty() { String::new() } else { format!("  {}", places.join(", ")) }
}

fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
