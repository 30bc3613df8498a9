//! `routing.signals.role_bindings` and `global.services.authz`: who has which role, and how a request tells who sends it.

use super::{Cx, header};
use crate::ast::decode::Leaf;
use crate::ast::global::{Authz, Global};
use crate::ast::routing::RoleBinding;
use crate::{errors, ir};

/// The role of a binding with the users and groups who have it. `None`: broken, and reported.
pub(super) fn binding<'b>(item: &'b RoleBinding, cx: &mut Cx<'_>) -> Option<(&'b Leaf, ir::SignalWhat)> {
    cx.fixed_opt(item.description.as_ref(), "description");
    let at = (item.span, item.whole);
    let role = cx.required(item.role.as_ref(), "the role binding", "role", at);
    let (mut users, mut groups, mut sound) = (Vec::new(), Vec::new(), true);
    let list = cx.required_part(item.subjects.as_ref(), "the role binding", "subjects", at)?;
    if list.written == 0 {
        cx.sink.report(&errors::EMPTY_LIST, list.span, &["subjects"]);
        return None;
    }
    for subject in &list.items {
        let at = (subject.span, subject.whole);
        let kinds = [("User", true), ("Group", false)];
        let kind = cx.required(subject.kind.as_ref(), "the subject", "kind", at);
        let kind = kind.and_then(|leaf| cx.choice(leaf, "kind", &kinds, &[]));
        let name = cx.required(subject.name.as_ref(), "the subject", "name", at);
        let name = name.and_then(|leaf| cx.name(leaf, "name"));
        match (kind, name) {
            (Some(true), Some(name)) => users.push(name),
            (Some(false), Some(name)) => groups.push(name),
            _ => sound = false,
        }
    }
    sound.then_some((role?, ir::SignalWhat::Role { users, groups }))
}

/// How a request tells who sends it.
pub(super) fn identity(global: Option<&Global>, cx: &mut Cx<'_>) -> ir::Identity {
    let authz: Option<&Authz> = global.and_then(|g| g.services.as_ref()).and_then(|s| s.authz.as_ref());
    let fail_open = cx.flag(authz.and_then(|authz| authz.fail_open.as_ref()), "fail_open", false);
    let identity = authz.and_then(|authz| authz.identity.as_ref());
    let mut name = |leaf: Option<&Leaf>, key: &str, default: &str| {
        let name = leaf.and_then(|leaf| Some((leaf.span, cx.fixed(leaf, key)?)));
        name.and_then(|(at, text)| header::name(&text, at, cx)).unwrap_or_else(|| default.to_owned())
    };
    ir::Identity {
        user_header: name(identity.and_then(|i| i.user_id_header.as_ref()), "user_id_header", "x-authz-user-id"),
        groups_header: name(
            identity.and_then(|i| i.user_groups_header.as_ref()),
            "user_groups_header",
            "x-authz-user-groups",
        ),
        fail_open,
    }
}
