//! SQL dumps: the rows of INSERT statements, parsed by `sqlparser` some statements at a time.
//!
//! What is read ahead ends with a semicolon at a line's end. If that stood within a string, the tokenizer finds the
//! string open, and twice as much is read before the next try.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    sync::Arc,
};

use serde_json::Value;
use sqlparser::{
    ast::{Expr, Insert, ObjectName, SetExpr, Statement, TableObject, UnaryOperator, Value as Literal},
    dialect::{Dialect, MySqlDialect, SQLiteDialect},
    keywords::Keyword,
    parser::Parser,
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

use super::{Sink, Text};
use crate::import::from::{
    fields::{Fields, plain},
    text::MAX_ROW,
};

/// Bytes from which on what was read is parsed.
const ENOUGH: usize = 256 << 10;

/// A dump as it is read.
struct Dump<'d, 's> {
    sink: &'d mut Sink<'s>,
    dialect: Option<Box<dyn Dialect>>,
    /// The columns of tables, from their definitions.
    tables: HashMap<String, Vec<Arc<str>>>,
    nth: u64,
}

/// Whether more rows are wanted.
enum Next {
    More,
    Enough,
}

/// Reads rows.
pub(super) fn read(text: Text, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut lines = BufReader::with_capacity(64 << 10, text);
    let mut dump = Dump { sink, dialect: None, tables: HashMap::new(), nth: 0 };
    let (mut text, mut wanted) = (String::new(), ENOUGH);
    loop {
        let read = lines.read_line(&mut text).map_err(|error| format!("cannot be read: {error}"))?;
        let ends = text.trim_end().ends_with(';');
        if read > 0 && !(ends && text.len() >= wanted) {
            if text.len() > MAX_ROW {
                return Err(format!("cannot be read after row {}: a statement is longer than 16 MiB", dump.nth));
            }
            continue;
        }
        lines.get_mut().row_done();
        match dump.tokens(&text) {
            Err(_) if read > 0 => wanted = 2 * text.len(),
            Err(why) => return Err(format!("cannot be read after row {}: {why}", dump.nth)),
            Ok(tokens) => {
                if matches!(dump.statements(tokens)?, Next::Enough) {
                    return Ok(());
                }
                text.clear();
                wanted = ENOUGH;
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

impl Dump<'_, '_> {
    fn tokens(&mut self, text: &str) -> Result<Vec<TokenWithSpan>, String> {
        // MySQL quotes names with backticks and escapes with backslashes; SQLite does neither.
        let dialect = self.dialect.get_or_insert_with(|| {
            if text.contains('`') { Box::new(MySqlDialect {}) } else { Box::new(SQLiteDialect {}) }
        });
        Tokenizer::new(&**dialect, text).tokenize_with_location().map_err(|error| error.to_string())
    }

    fn statements(&mut self, tokens: Vec<TokenWithSpan>) -> Result<Next, String> {
        let mut statement = Vec::new();
        for token in tokens {
            match token.token {
                Token::SemiColon => {
                    if matches!(self.statement(std::mem::take(&mut statement))?, Next::Enough) {
                        return Ok(Next::Enough);
                    }
                }
                Token::Whitespace(_) => {}
                _ => statement.push(token),
            }
        }
        self.statement(statement)
    }

    /// Takes an INSERT or the definition of a table; other statements say nothing of links.
    fn statement(&mut self, tokens: Vec<TokenWithSpan>) -> Result<Next, String> {
        let keyword = tokens.first().map(|token| match &token.token {
            Token::Word(word) => word.keyword,
            _ => Keyword::NoKeyword,
        });
        let Some(dialect) = self.dialect.as_deref().filter(|_| !tokens.is_empty()) else { return Ok(Next::More) };
        let mut parser = Parser::new(dialect).with_tokens_with_locations(tokens);
        match keyword {
            Some(Keyword::INSERT) => {
                let parsed = parser.parse_statement();
                match parsed.map_err(|error| format!("cannot be read at row {}: {error}", self.nth + 1))? {
                    Statement::Insert(insert) => self.insert(insert),
                    _ => Ok(Next::More),
                }
            }
            Some(Keyword::CREATE) => {
                // What cannot be parsed is a view or a trigger, or a table whose INSERTs have to name their columns.
                if let Ok(Statement::CreateTable(table)) = parser.parse_statement() {
                    let columns = table.columns.iter().map(|column| plain(&column.name.value).into()).collect();
                    self.tables.insert(last(&table.name), columns);
                }
                Ok(Next::More)
            }
            _ => Ok(Next::More),
        }
    }

    fn insert(&mut self, insert: Insert) -> Result<Next, String> {
        let TableObject::TableName(name) = &insert.table else { return Ok(Next::More) };
        let table = last(name);
        let columns: Vec<Arc<str>> = if insert.columns.is_empty() {
            self.tables.get(&table).cloned().unwrap_or_default()
        } else {
            insert.columns.iter().map(|column| plain(&last(column)).into()).collect()
        };
        let Some(SetExpr::Values(values)) = insert.source.map(|query| *query.body) else { return Ok(Next::More) };
        let table: Arc<str> = table.into();
        for row in values.rows {
            self.nth += 1;
            let row = row.content;
            if row.len() != columns.len() {
                let (nth, found, expected) = (self.nth, row.len(), columns.len());
                return Err(format!("row {nth} of the table {table} has {found} values for {expected} columns"));
            }
            let pairs = columns.iter().cloned().zip(row.into_iter().map(value)).collect();
            if (self.sink)(Fields::new(self.nth, Arc::clone(&table), pairs)).is_break() {
                return Ok(Next::Enough);
            }
        }
        Ok(Next::More)
    }
}

fn last(name: &ObjectName) -> String {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map(|ident| ident.value.to_lowercase()).unwrap_or_default()
}

/// A literal; whatever is none is null.
fn value(expression: Expr) -> Value {
    match expression {
        Expr::Value(literal) => match literal.value {
            Literal::Number(digits, _) => serde_json::from_str(&digits).unwrap_or(Value::String(digits)),
            Literal::Boolean(flag) => flag.into(),
            Literal::Null => Value::Null,
            other => other.into_string().map_or(Value::Null, Value::String),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match value(*expr) {
            Value::Number(number) => number.as_i64().map_or(Value::Null, |number| number.wrapping_neg().into()),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
