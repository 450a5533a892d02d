//! Two texts line by line: what goes (`- `), what comes (`+ `), and a little of what stays around it.

/// Lines shown around a change.
const AROUND: usize = 2;
/// Pairs of lines compared at most; what differs of larger texts is shown as one block.
const MOST: usize = 16_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Stays(&'a str),
    Goes(&'a str),
    Comes(&'a str),
}

/// The changes from `old` to `new`; empty when there is none.
pub(in crate::cli) fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut all: Vec<Line> = old[..head].iter().map(|line| Line::Stays(line)).collect();
    all.extend(middle(&old[head..old.len() - tail], &new[head..new.len() - tail]));
    all.extend(old[old.len() - tail..].iter().map(|line| Line::Stays(line)));
    shown(&all)
}

/// By the longest common sequence: as little as possible goes and comes.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len().saturating_mul(new.len()) > MOST {
        let goes = old.iter().map(|line| Line::Goes(line));
        return goes.chain(new.iter().map(|line| Line::Comes(line))).collect();
    }
    // Length of the longest common sequence of what is left from (i, j) on.
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Stays(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len() && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(Line::Goes(old[i]));
            i += 1;
        } else {
            lines.push(Line::Comes(new[j]));
            j += 1;
        }
    }
    lines
}

fn shown(all: &[Line]) -> String {
    let is_change = |at: usize| !matches!(all[at], Line::Stays(_));
    let is_near = |at: usize| (at.saturating_sub(AROUND)..=(at + AROUND).min(all.len() - 1)).any(is_change);
    let (mut text, mut last) = (String::new(), None);
    for at in (0..all.len()).filter(|at| is_near(*at)) {
        if last.is_some_and(|last| last + 1 < at) {
            text.push_str("  …\n");
        }
        last = Some(at);
        let (sign, line) = match all[at] {
            Line::Stays(line) => ("  ", line),
            Line::Goes(line) => ("- ", line),
            Line::Comes(line) => ("+ ", line),
        };
        text.push_str(sign);
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn what_stays_far_from_a_change_is_left_out() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\n";
        for (new, expected) in [
            (old.to_owned(), ""),
            (old.replace('a', "A"), "- a\n+ A\n  b\n  c\n"),
            (old.replace('b', "B").replace('h', "H"), "  a\n- b\n+ B\n  c\n  d\n  …\n  f\n  g\n- h\n+ H\n  i\n"),
            (old.replace("e\n", ""), "  c\n  d\n- e\n  f\n  g\n"),
            (old.replace("e\n", "e\nx\ny\n"), "  d\n  e\n+ x\n+ y\n  f\n  g\n"),
            (format!("{old}{old}"), "  h\n  i\n+ a\n+ b\n+ c\n+ d\n+ e\n+ f\n+ g\n+ h\n+ i\n"),
        ] {
            assert_eq!(diff(old, &new), expected, "{new:?}");
        }
        assert_eq!(diff("", "a\n"), "+ a\n");
        assert_eq!(diff("a\n", ""), "- a\n");
        assert_eq!(diff("a\nb\n", "b\na\n"), "- a\n  b\n+ a\n");
    }

    #[test]
    fn texts_too_large_to_compare_are_shown_whole() {
        let many = |word: &str| (0..5_000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let said = diff(&many("old"), &many("new"));
        assert!(said.starts_with("- old 0\n") && said.ends_with("+ new 4999\n"));
    }
}
