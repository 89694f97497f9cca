//! The machine that a pickle is a program for.

use std::collections::HashMap;

use super::{Id, OPAQUE, Value};

const EMPTY: &str = "an instruction without its operands";
const SHORT: &str = "it ends too early";

pub(super) struct Machine<'a> {
    /// What has not been read yet.
    bytes: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_> {
    /// Runs the whole program: all values, and which of them is the outermost.
    pub fn run(mut self) -> Result<(Vec<Value>, Id), String> {
        while self.step()? {}
        let root = self.pop()?;
        Ok((self.values, root))
    }

    /// Runs one instruction; false at the last. Names and codes are those of Python's pickletools.
    fn step(&mut self) -> Result<bool, String> {
        match self.byte()? {
            b'.' => return Ok(false),                                    // STOP
            0x80 => self.skip(1)?,                                       // PROTO
            0x95 => self.skip(8)?,                                       // FRAME
            b'N' | 0x88 | 0x89 | b']' | 0x8f => self.stack.push(OPAQUE), // NONE, NEWTRUE, NEWFALSE, EMPTY_LIST, EMPTY_SET
            b'G' => self.opaque_bytes(8)?,                               // BINFLOAT
            b'K' => self.int(1)?,                                        // BININT1
            b'M' => self.int(2)?,                                        // BININT2
            b'J' => {
                let value = self.number(4)? as u32 as i32; // BININT, the one that has a sign
                self.push(Value::Int(value.into()));
            }
            0x8a => self.long(1)?,          // LONG1
            0x8b => self.long(4)?,          // LONG4
            0x8c => self.string(1)?,        // SHORT_BINUNICODE
            b'X' => self.string(4)?,        // BINUNICODE
            0x8d => self.string(8)?,        // BINUNICODE8
            b'U' => self.string(1)?,        // SHORT_BINSTRING, of Python 2
            b'T' => self.string(4)?,        // BINSTRING
            b'C' => self.opaque_string(1)?, // SHORT_BINBYTES
            b'B' => self.opaque_string(4)?, // BINBYTES
            0x8e => self.opaque_string(8)?, // BINBYTES8
            b'c' => {
                let (module, name) = (self.line()?, self.line()?); // GLOBAL
                self.push(Value::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?); // STACK_GLOBAL
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) => {
                        self.push(Value::Global(module.clone(), name.clone()));
                    }
                    _ => return Err("a class without a name".into()),
                }
            }
            b'(' => self.marks.push(self.stack.len()), // MARK
            b')' => self.push(Value::Tuple(Vec::new())), // EMPTY_TUPLE
            code @ 0x85..=0x87 => {
                let items = self.last(usize::from(code - 0x84))?; // TUPLE1, TUPLE2, TUPLE3
                self.push(Value::Tuple(items));
            }
            b't' => {
                let items = self.after_mark()?; // TUPLE
                self.push(Value::Tuple(items));
            }
            b'}' => self.push(Value::Dict(Vec::new())), // EMPTY_DICT
            b'd' => {
                let items = self.after_mark()?; // DICT
                self.push(Value::Dict(Vec::new()));
                self.put(&items)?;
            }
            b's' => {
                let items = self.last(2)?; // SETITEM
                self.put(&items)?;
            }
            b'u' => {
                let items = self.after_mark()?; // SETITEMS
                self.put(&items)?;
            }
            b'a' | b'b' | b'0' => drop(self.pop()?), // APPEND, BUILD (state of an object), POP
            b'e' | 0x90 | b'1' => drop(self.after_mark()?), // APPENDS, ADDITEMS, POP_MARK
            b'l' | 0x91 => {
                self.after_mark()?; // LIST, FROZENSET
                self.stack.push(OPAQUE);
            }
            b'2' => {
                let top = *self.stack.last().ok_or(EMPTY)?; // DUP
                self.stack.push(top);
            }
            b'R' | 0x81 => self.call()?, // REDUCE, NEWOBJ
            0x92 => {
                self.pop()?; // NEWOBJ_EX: its keywords
                self.call()?;
            }
            b'Q' => {
                let id = self.pop()?; // BINPERSID
                self.push(Value::Persistent(id));
            }
            b'q' => self.memoise(1)?, // BINPUT
            b'r' => self.memoise(4)?, // LONG_BINPUT
            0x94 => {
                let top = *self.stack.last().ok_or(EMPTY)?; // MEMOIZE
                self.memo.insert(self.memo.len() as u32, top);
            }
            b'h' => self.recall(1)?, // BINGET
            b'j' => self.recall(4)?, // LONG_BINGET
            code => {
                return Err(format!(
                    "the instruction {code:#04x}, which PyTorch does not write"
                ));
            }
        }
        Ok(true)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(|| EMPTY.into())
    }

    /// Takes the last `count` values from the stack.
    fn last(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let start = self.stack.len().checked_sub(count).ok_or(EMPTY)?;
        Ok(self.stack.split_off(start))
    }

    /// Takes the values after the last mark.
    fn after_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("a list without a beginning")?;
        if mark > self.stack.len() {
            return Err(EMPTY.into());
        }
        Ok(self.stack.split_off(mark))
    }

    /// Puts keys and values, in turn, into the dictionary at the top; other objects forget them.
    fn put(&mut self, items: &[Id]) -> Result<(), String> {
        let top = *self.stack.last().ok_or(EMPTY)?;
        if let Value::Dict(entries) = &mut self.values[top] {
            entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn call(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let ordered = matches!(&self.values[function], Value::Global(module, name)
            if module == "collections" && matches!(name.as_str(), "OrderedDict" | "defaultdict"));
        self.push(if ordered {
            Value::Dict(Vec::new())
        } else {
            Value::Call(function, arguments)
        });
        Ok(())
    }

    fn memoise(&mut self, size: usize) -> Result<(), String> {
        let key = self.number(size)? as u32;
        let top = *self.stack.last().ok_or(EMPTY)?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, size: usize) -> Result<(), String> {
        let key = self.number(size)? as u32;
        let id = *self.memo.get(&key).ok_or("a reference to nothing")?;
        self.stack.push(id);
        Ok(())
    }

    fn int(&mut self, size: usize) -> Result<(), String> {
        let value = self.number(size)? as i64;
        self.push(Value::Int(value));
        Ok(())
    }

    /// An integer of any length; those beyond 64 bits (PyTorch's magic number) are nothing that a weight needs.
    fn long(&mut self, size: usize) -> Result<(), String> {
        let count = self.length(size)?;
        let bytes = self.take(count)?;
        let Some(&top) = bytes.last().filter(|_| count <= 8) else {
            self.stack.push(OPAQUE);
            return Ok(());
        };
        let mut whole = [if top & 0x80 == 0 { 0 } else { 0xff }; 8];
        whole[..count].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    fn string(&mut self, size: usize) -> Result<(), String> {
        let count = self.length(size)?;
        let text = String::from_utf8_lossy(self.take(count)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn opaque_string(&mut self, size: usize) -> Result<(), String> {
        let count = self.length(size)?;
        self.opaque_bytes(count)
    }

    fn opaque_bytes(&mut self, count: usize) -> Result<(), String> {
        self.skip(count)?;
        self.stack.push(OPAQUE);
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(SHORT)?)?;
        let line = String::from_utf8_lossy(line).trim_end().to_string();
        self.skip(1)?;
        Ok(line)
    }

    fn length(&mut self, size: usize) -> Result<usize, String> {
        usize::try_from(self.number(size)?).map_err(|_| SHORT.into())
    }

    /// An integer without a sign, of `size` <= 8 bytes.
    fn number(&mut self, size: usize) -> Result<u64, String> {
        let mut whole = [0; 8];
        whole[..size].copy_from_slice(self.take(size)?);
        Ok(u64::from_le_bytes(whole))
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn skip(&mut self, count: usize) -> Result<(), String> {
        self.take(count).map(|_| ())
    }
}

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            values: vec![Value::Opaque],
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(taken)
    }
}
