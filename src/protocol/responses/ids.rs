//! Ids of items. Each names the response that the item is part of, and its place there, so that an `item_reference` is
//! resolved without an index of all items: `msg_<response>o3` is the fourth item of a response's output, `…i0` the first of
//! its input.

/// What all ids of responses begin with.
const RESPONSE: &str = "resp_";

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the input, from 0.
    Input(usize),
    /// In the output, from 0.
    Output(usize),
}

/// The id of an item.
#[must_use]
pub fn item_id(kind: &str, response: &str, place: Place) -> String {
    let stem = response.strip_prefix(RESPONSE).unwrap_or(response);
    match place {
        Place::Input(n) => format!("{kind}_{stem}i{n}"),
        Place::Output(n) => format!("{kind}_{stem}o{n}"),
    }
}

/// The response that an item is part of, and its place there. `None` where the id is none of this router's.
#[must_use]
pub fn parse_item_id(id: &str) -> Option<(String, Place)> {
    let (_, rest) = id.split_once('_')?;
    let digits = rest.len() - rest.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (stem, n) = rest.split_at_checked(digits)?;
    let n = n.parse().ok()?;
    let (stem, place) = match stem.strip_suffix('o') {
        Some(stem) => (stem, Place::Output(n)),
        None => (stem.strip_suffix('i')?, Place::Input(n)),
    };
    Some((format!("{RESPONSE}{stem}"), place))
}

#[cfg(test)]
mod tests {
    use super::{Place, item_id, parse_item_id};

    #[test]
    fn an_id_leads_to_its_response() {
        for place in [Place::Input(0), Place::Output(17)] {
            let id = item_id("fc", "resp_0a9", place);
            assert_eq!(parse_item_id(&id), Some(("resp_0a9".to_owned(), place)), "{id}");
        }
        assert_eq!(item_id("msg", "resp_ab", Place::Output(3)), "msg_abo3");
    }

    #[test]
    fn other_ids_lead_nowhere() {
        for id in
            ["", "_", "msg", "msg_", "msg_12", "msg_abx1", "msg_o", "msg_o99999999999999999999999", "\u{e9}_\u{e9}"]
        {
            assert_eq!(parse_item_id(id), None, "{id}");
        }
        assert_eq!(parse_item_id("msg_o1"), Some(("resp_".to_owned(), Place::Output(1))));
    }
}
