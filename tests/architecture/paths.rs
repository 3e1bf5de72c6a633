//! Finds the paths in a source text that lead out of its module, and the top-level module that each one opens.

/// The parts of a text that matter here: names, `::`, and single signs; comments and literals are left out.
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// Every top-level module that a text opens by `crate::…` or `super::…`, with the line; `*` for all of them. `module`
/// is the module of the text.
pub(crate) fn opened(text: &str, module: &[String]) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let (mut found, mut inline, mut depth, mut at) = (Vec::new(), Vec::new(), 0_usize, 0);
    let mut module = module.to_vec();
    while at < tokens.len() {
        match tokens[at].text {
            "mod" if text_at(&tokens, at + 2) == "{" => {
                module.push(tokens[at + 1].text.to_owned());
                inline.push(depth);
                at += 1;
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.pop_if(|opened| *opened == depth).is_some() {
                    module.pop();
                }
            }
            "crate" | "super" if text_at(&tokens, at + 1) == "::" => {
                at = follow(&tokens, at, module.clone(), &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Follows one path, or each of a group, from the module `base`; returns the next module.
fn follow(tokens: &[Token<'_>], mut at: usize, mut base: Vec<String>, found: &mut Vec<(usize, String)>) -> usize {
    loop {
        match text_at(tokens, at) {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            "{" => return follow_group(tokens, at + 1, &base, found),
            name => {
                if base.is_empty() && !name.is_empty() {
                    found.push((tokens[at].line, name.to_owned()));
                }
                return at + 1;
            }
        }
        if text_at(tokens, at + 1) != "::" {
            return at + 1;
        }
        at += 2;
    }
}

/// Follows the members of a group up to its closing brace.
fn follow_group(tokens: &[Token<'_>], mut at: usize, base: &[String], found: &mut Vec<(usize, String)>) -> usize {
    let (mut depth, mut member) = (0_usize, true);
    while at < tokens.len() {
        match text_at(tokens, at) {
            "}" if depth == 0 => return at + 1,
            "}" => depth -= 1,
            "{" => depth += 1,
            "," if depth == 0 => member = true,
            _ if member => {
                member = false;
                at = follow(tokens, at, base.to_vec(), found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    at
}

fn text_at<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut line) = (Vec::new(), text, 1);
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        let token = if length > 0 { &rest[..length] } else { &rest[..token_length(rest, first)] };
        if length == 0 && !first.is_whitespace() {
            tokens.push(Token { text: token, line });
        }
        line += token.matches('\n').count();
        rest = &rest[token.len()..];
    }
    tokens
}

fn token_length(rest: &str, first: char) -> usize {
    if rest.starts_with("::") {
        return 2;
    }
    let name = |letter: char| letter.is_alphanumeric() || letter == '_';
    if name(first) { rest.find(|letter| !name(letter)).unwrap_or(rest.len()) } else { first.len_utf8() }
}

/// Length of the comment or literal that a text begins with; 0 if it begins with neither.
fn skipped(rest: &str) -> usize {
    let up_to = |start: usize, end: &str| rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return up_to(2, "*/");
    }
    if let Some(raw) = rest.strip_prefix('r').map(|raw| raw.trim_start_matches('#')).filter(|raw| raw.starts_with('"'))
    {
        let start = rest.len() - raw.len() + 1;
        return up_to(start, &format!("\"{}", "#".repeat(start - 2)));
    }
    match rest.as_bytes() {
        [b'"', ..] => quoted(rest, '"'),
        [b'\'', b'\\', ..] => quoted(rest, '\''),
        // A letter between quotes; a lifetime has no second quote there.
        [b'\'', ..] if rest.chars().nth(2) == Some('\'') => quoted(rest, '\''),
        _ => 0,
    }
}

/// Length of a literal up to its closing quote, escaped ones inside passed over.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
