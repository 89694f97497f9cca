//! Tensors as the pickle of a checkpoint describes them.

use candle_core::DType;

use super::super::pickle::{Id, Pickle, Value};
use super::super::source::Described;
use super::view::View;

/// A tensor as torch's `_rebuild_*` functions describe it; `None` for any other object.
pub(super) fn tensor(pickle: &Pickle, id: Id) -> Option<(Described, View)> {
    let (mut function, mut arguments) = call(pickle, id)?;
    match function {
        // (data, requires_grad, hooks)
        "_rebuild_parameter" | "_rebuild_parameter_with_state" => {
            (function, arguments) = call(pickle, *arguments.first()?)?;
        }
        // (function, type, arguments, state)
        "_rebuild_from_type_v2" => {
            function = global(pickle, *arguments.first()?)?;
            arguments = pickle.tuple(*arguments.get(2)?)?;
        }
        _ => {}
    }
    // (storage, offset, shape, strides, ...)
    let (true, &[storage, offset, shape, strides, ..]) = (
        matches!(function, "_rebuild_tensor_v2" | "_rebuild_tensor"),
        arguments,
    ) else {
        return None;
    };
    // ("storage", class, key, device, number of values)
    let Value::Persistent(storage) = *pickle.get(storage) else {
        return None;
    };
    let &[_, class, key, ..] = pickle.tuple(storage)? else {
        return None;
    };
    let described = Described {
        shape: sizes(pickle, shape)?,
        dtype: dtype(global(pickle, class)?),
    };
    let view = View {
        storage: pickle.text(key)?.to_string(),
        offset: size(pickle, offset)?,
        strides: sizes(pickle, strides)?,
    };
    (described.shape.len() == view.strides.len()).then_some((described, view))
}

/// The name of the function called and its arguments.
fn call(pickle: &Pickle, id: Id) -> Option<(&str, &[Id])> {
    let Value::Call(function, arguments) = *pickle.get(id) else {
        return None;
    };
    Some((global(pickle, function)?, pickle.tuple(arguments)?))
}

/// The name of a class or function of PyTorch's.
fn global(pickle: &Pickle, id: Id) -> Option<&str> {
    match pickle.get(id) {
        Value::Global(module, name) if module.starts_with("torch") => Some(name),
        _ => None,
    }
}

fn size(pickle: &Pickle, id: Id) -> Option<usize> {
    match pickle.get(id) {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    }
}

fn sizes(pickle: &Pickle, id: Id) -> Option<Vec<usize>> {
    pickle
        .tuple(id)?
        .iter()
        .map(|&id| size(pickle, id))
        .collect()
}

/// The type of a storage's values; as an error the name of one that holds no weights.
fn dtype(class: &str) -> std::result::Result<DType, String> {
    match class {
        "FloatStorage" => Ok(DType::F32),
        "DoubleStorage" => Ok(DType::F64),
        "HalfStorage" => Ok(DType::F16),
        "BFloat16Storage" => Ok(DType::BF16),
        "BoolStorage" => Err("BOOL".into()),
        "LongStorage" => Err("I64".into()),
        "IntStorage" => Err("I32".into()),
        "ByteStorage" => Err("U8".into()),
        other => Err(other.into()),
    }
}
