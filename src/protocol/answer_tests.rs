//! Plain answers of both protocols, and what each becomes in the other one.
