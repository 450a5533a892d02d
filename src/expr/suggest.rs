//! Did you mean: the known name nearest to one that is not known.

/// The nearest of `known`, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let measured = known.into_iter().map(|name| (strsim::damerau_levenshtein(&written, &name.to_lowercase()), name));
    let (distance, name) = measured.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(written.chars().count() / 3)).then_some(name)
}
