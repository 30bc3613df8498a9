//! What is wrong with a request, and where in it.

/// A request that the router refuses with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field to blame, as a path: `input[2].content[0].image_url`. Empty where it is the whole.
    pub param: String,
    /// For people.
    pub message: String,
    /// For programs.
    pub code: Option<&'static str>,
}

impl Invalid {
    pub(super) fn new(param: &str, message: impl Into<String>) -> Invalid {
        Invalid { param: param.to_owned(), message: message.into(), code: None }
    }

    /// The same, with a word for programs.
    pub(super) fn coded(self, code: &'static str) -> Invalid {
        Invalid { code: Some(code), ..self }
    }

    pub(super) fn missing(key: &str) -> Invalid {
        Invalid::new(key, "this field is required").coded("missing_required_parameter")
    }

    pub(super) fn wrong_type(expected: &str, found: &str) -> Invalid {
        Invalid::new("", format!("expected {expected}, got {found}")).coded("invalid_type")
    }

    /// A feature of the API that this router does not have.
    pub(super) fn unsupported(key: &str, message: impl Into<String>) -> Invalid {
        Invalid::new(key, message).coded("unsupported_parameter")
    }

    /// Seen from the object of whose member it is a part.
    pub(super) fn within(mut self, key: &str) -> Invalid {
        self.param = match self.param.as_str() {
            "" => key.to_owned(),
            inner if inner.starts_with('[') => format!("{key}{inner}"),
            inner => format!("{key}.{inner}"),
        };
        self
    }

    /// Seen from the array of whose element it is a part.
    pub(super) fn at(self, index: usize) -> Invalid {
        self.within(&format!("[{index}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::Invalid;

    #[test]
    fn paths_grow_outwards() {
        let error = Invalid::missing("image_url").at(0).within("content").at(2).within("input");
        assert_eq!(error.param, "input[2].content[0].image_url");
        assert_eq!(Invalid::wrong_type("a string", "null").at(3).within("tools").param, "tools[3]");
    }
}
