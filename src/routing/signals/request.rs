//! Signals that look at what comes with the text: the conversation around it, the client's metadata, who sends it.

use crate::protocol::metadata::{Metadata, MetadataError};
use crate::routing::{Error, Request};
use crate::table::{Conversation, ConversationSignal, MetadataSignal, MetadataTest, Roles, SignalSet};

/// What each conversation signal counts.
pub(super) fn values<'s>(
    signals: &'s [ConversationSignal],
    conversation: &'s Conversation,
) -> impl Iterator<Item = (&'s ConversationSignal, f64)> {
    signals.iter().map(|signal| {
        let count = (signal.counts)(conversation);
        (signal, f64::from(if signal.exists { count.min(1) } else { count }))
    })
}

/// Inserts the conversation signals that match.
pub(super) fn conversation(signals: &[ConversationSignal], conversation: &Conversation, set: &mut SignalSet) {
    for (signal, value) in values(signals, conversation).filter(|(signal, value)| (signal.holds)(*value)) {
        set.insert(signal.signal);
        if let Some(measure) = signal.value {
            set.note(measure, value);
        }
    }
}

/// Inserts the metadata signals that match. The metadata are read only if there are any such.
pub(super) fn metadata(
    signals: &[MetadataSignal],
    raw: Option<&[u8]>,
    set: &mut SignalSet,
) -> Result<(), MetadataError> {
    if signals.is_empty() {
        return Ok(());
    }
    let metadata = raw.map(Metadata::read).transpose()?.unwrap_or_default();
    for signal in signals {
        let value = metadata.get(signal.key);
        let matches = match signal.test {
            MetadataTest::In(values) => value.is_some_and(|value| values.contains(&value)),
            MetadataTest::Exists(exists) => value.is_some() == exists,
        };
        if matches {
            set.insert(signal.signal);
        }
    }
    Ok(())
}

/// Inserts the roles of whoever sends the request. One that does not tell is refused, unless the document says otherwise:
/// where a proxy forgets to tell, nobody may get what roles guard, nor what is meant for those without one.
pub(super) fn roles(roles: &Roles, request: &Request<'_>, set: &mut SignalSet) -> Result<(), Error> {
    let user = request.user.trim();
    if user.is_empty() {
        return if roles.fail_open { Ok(()) } else { Err(Error::NoIdentity) };
    }
    for role in roles.roles {
        let mut groups = request.groups.split(',').map(str::trim);
        if role.users.contains(&user) || groups.any(|group| role.groups.contains(&group)) {
            set.insert(role.signal);
        }
    }
    Ok(())
}
