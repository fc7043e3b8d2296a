//! Output shapes of operators, by the ONNX specification (<https://onnx.ai/onnx/operators>).

use tract_onnx::pb::NodeProto;

pub type Shape = Vec<usize>;

/// Returns an integer attribute of a node.
pub fn int(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i)
}

/// Returns an integer list attribute of a node.
pub fn ints(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.ints.clone())
}

/// Returns height and width of the output of a sliding window: a convolution or pooling of `kernel` on `size`.
pub fn pooled(node: &NodeProto, size: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2], String> {
    let pair = |name: &str, default: i64| -> Result<[i64; 2], String> {
        match ints(node, name).as_deref() {
            None | Some([]) => Ok([default; 2]),
            Some(&[a, b]) if (1..=1024).contains(&a) && (1..=1024).contains(&b) => Ok([a, b]),
            Some(other) => Err(format!("has {name} of {other:?}")),
        }
    };
    let strides = pair("strides", 1)?;
    let dilations = pair("dilations", 1)?;
    let auto_pad = node.attribute.iter().find(|attribute| attribute.name == "auto_pad");
    let auto_pad = auto_pad.map_or("NOTSET".into(), |attribute| String::from_utf8_lossy(&attribute.s).into_owned());
    let pads = match ints(node, "pads").as_deref() {
        None | Some([]) => [0; 4],
        Some(&[a, b, c, d]) if [a, b, c, d].iter().all(|pad| (0..=1024).contains(pad)) => [a, b, c, d],
        Some(other) => return Err(format!("has pads of {other:?}")),
    };
    let rounds_up = int(node, "ceil_mode") == Some(1);
    let mut out = [0; 2];
    for axis in 0..2 {
        let number = |value: usize| i64::try_from(value).map_err(|_| format!("has a size of {value}"));
        let (size, kernel) = (number(size[axis])?, number(kernel[axis])?);
        let window = (kernel - 1).checked_mul(dilations[axis]).map_or(i64::MAX, |window| window.saturating_add(1));
        let stride = strides[axis];
        let output = match auto_pad.as_str() {
            "SAME_UPPER" | "SAME_LOWER" => (size + stride - 1) / stride,
            _ => {
                let pads = if auto_pad == "VALID" { 0 } else { pads[axis] + pads[axis + 2] };
                let steps = size + pads - window;
                if steps < 0 { 0 } else { (steps + if rounds_up { stride - 1 } else { 0 }) / stride + 1 }
            }
        };
        out[axis] = usize::try_from(output)
            .ok()
            .filter(|&output| output > 0)
            .ok_or_else(|| format!("has a window of {window} on {size} values, which leaves no output"))?;
    }
    Ok(out)
}

/// Returns the output shape of `op`, or `None` if it is unknown, as for a reshape by computed numbers.
///
/// Returns an error if the operator or its attributes are not supported.
pub fn shape(
    op: &str,
    node: &NodeProto,
    inputs: &[Option<Shape>],
    integers: &dyn Fn(usize) -> Option<Vec<i64>>,
) -> Result<Option<Shape>, String> {
    let first = inputs.first().cloned().flatten();
    let from_first = |rule: &dyn Fn(Shape) -> Result<Option<Shape>, String>| match first.clone() {
        Some(first) => rule(first),
        None => Ok(None),
    };
    match op {
        "Relu"
        | "LeakyRelu"
        | "Sigmoid"
        | "HardSigmoid"
        | "HardSwish"
        | "Tanh"
        | "Softmax"
        | "LogSoftmax"
        | "Identity"
        | "Dropout"
        | "Clip"
        | "BatchNormalization"
        | "Cast"
        | "Sqrt"
        | "Exp"
        | "Log"
        | "Neg"
        | "Abs"
        | "Erf"
        | "Reciprocal"
        | "Softplus"
        | "Elu"
        | "Selu"
        | "Mish"
        | "Gelu"
        | "Swish"
        | "QuantizeLinear"
        | "DequantizeLinear"
        | "LayerNormalization"
        | "InstanceNormalization"
        | "LRN"
        | "Round"
        | "Floor"
        | "Ceil" => Ok(first),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" | "PRelu" => broadcast(inputs),
        "GlobalAveragePool" | "GlobalMaxPool" => from_first(&|mut shape| {
            shape.iter_mut().skip(2).for_each(|size| *size = 1);
            Ok(Some(shape))
        }),
        "AveragePool" | "MaxPool" => from_first(&|shape| {
            let [1, channels, height, width] = shape[..] else { return Err(format!("has an input of {shape:?}")) };
            let Some(&[rows, columns]) = ints(node, "kernel_shape").as_deref() else {
                return Err("has no kernel_shape of two sides".into());
            };
            let side = |size: i64| usize::try_from(size).ok().filter(|size| (1..=4096).contains(size));
            let (Some(rows), Some(columns)) = (side(rows), side(columns)) else {
                return Err(format!("has a window of {rows} × {columns}"));
            };
            let [height, width] = pooled(node, [height, width], [rows, columns])?;
            Ok(Some(vec![1, channels, height, width]))
        }),
        "ReduceMean" | "ReduceSum" | "ReduceMax" => from_first(&|shape| {
            let axes = ints(node, "axes").or_else(|| integers(1));
            let axes = axes.unwrap_or_else(|| (0..shape.len() as i64).collect());
            reduced(&shape, &axes, int(node, "keepdims") != Some(0)).map(Some)
        }),
        "Flatten" => from_first(&|shape| {
            let axis = resolve_axis(int(node, "axis").unwrap_or(1), shape.len() + 1)?;
            Ok(Some(vec![product(&shape[..axis])?, product(&shape[axis..])?]))
        }),
        "Reshape" => from_first(&|shape| integers(1).map(|to| reshaped(&shape, &to)).transpose()),
        "Squeeze" => from_first(&|shape| {
            let ones = || (0..shape.len()).filter(|&axis| shape[axis] == 1).map(|axis| axis as i64).collect();
            let axes = ints(node, "axes").or_else(|| integers(1)).unwrap_or_else(ones);
            reduced(&shape, &axes, false).map(Some)
        }),
        "Unsqueeze" => from_first(&|mut shape| {
            let Some(mut axes) = ints(node, "axes").or_else(|| integers(1)) else { return Ok(None) };
            if axes.len() > 8 {
                return Err(format!("adds {} axes, 8 are allowed", axes.len()));
            }
            let rank = shape.len() + axes.len(); // negative axes count from the end of the result
            for axis in &mut axes {
                *axis = resolve_axis(*axis, rank)? as i64;
            }
            axes.sort_unstable();
            for axis in axes {
                shape.insert(resolve_axis(axis, shape.len() + 1)?, 1);
            }
            Ok(Some(shape).filter(|shape| shape.len() <= 8))
        }),
        "Transpose" => from_first(&|shape| {
            let reversed = (0..shape.len() as i64).rev().collect();
            let order = ints(node, "perm").unwrap_or(reversed);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted != (0..shape.len() as i64).collect::<Vec<_>>() {
                return Err(format!("has perm {order:?} for {shape:?}"));
            }
            Ok(Some(order.iter().map(|&axis| shape[axis as usize]).collect()))
        }),
        "Pad" => from_first(&|shape| {
            let Some(pads) = ints(node, "pads").or_else(|| integers(1)) else { return Ok(None) };
            if pads.len() != 2 * shape.len() || pads.iter().any(|pad| !(0..=1024).contains(pad)) {
                return Err(format!("has pads of {pads:?} for {shape:?}"));
            }
            let pad = |axis: usize| (pads[axis] + pads[axis + shape.len()]) as usize;
            Ok(Some(shape.iter().enumerate().map(|(axis, size)| size + pad(axis)).collect()))
        }),
        "Concat" => {
            let Some(shapes) = inputs.iter().cloned().collect::<Option<Vec<Shape>>>() else { return Ok(None) };
            let Some(mut shape) = shapes.first().cloned() else { return Ok(None) };
            let axis = resolve_axis(int(node, "axis").unwrap_or(0), shape.len())?;
            let sizes = shapes.iter().map(|shape| shape.get(axis).copied());
            let sum = sizes.sum::<Option<usize>>().ok_or_else(|| format!("concatenates {shapes:?}"))?;
            shape[axis] = sum;
            Ok(Some(shape))
        }
        "Shape" | "Gather" | "Slice" | "Size" => Ok(None), // numbers about shapes, not image values
        _ => Err("is an unknown operator; simplify the model with onnxsim, or export it with plain operators".into()),
    }
}

/// Returns the broadcast shape by numpy's rule: shapes are aligned at their ends, and sizes of 1 are stretched.
fn broadcast(inputs: &[Option<Shape>]) -> Result<Option<Shape>, String> {
    let Some(shapes) = inputs.iter().cloned().collect::<Option<Vec<Shape>>>() else { return Ok(None) };
    let axes = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![1; axes];
    for shape in &shapes {
        for (size, out) in shape.iter().rev().zip(out.iter_mut().rev()) {
            match (*size, *out) {
                (size, other) if size == other || size == 1 => {}
                (size, 1) => *out = size,
                _ => return Err(format!("has inputs of {shapes:?}, which cannot be broadcast")),
            }
        }
    }
    Ok(Some(out))
}

/// Resolves an axis that may count from the end.
fn resolve_axis(axis: i64, axes: usize) -> Result<usize, String> {
    let from_end = if axis < 0 { axis.saturating_add(axes as i64) } else { axis };
    usize::try_from(from_end).ok().filter(|&axis| axis < axes).ok_or_else(|| format!("has axis {axis} of {axes}"))
}

fn product(sizes: &[usize]) -> Result<usize, String> {
    let product = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
    product.ok_or_else(|| format!("has a shape of {sizes:?}, which overflows"))
}

/// Returns the shape with `axes` reduced to 1, or removed if they are not kept.
fn reduced(shape: &[usize], axes: &[i64], keep_axes: bool) -> Result<Shape, String> {
    let axes: Vec<usize> = axes.iter().map(|&axis| resolve_axis(axis, shape.len())).collect::<Result<_, _>>()?;
    let sizes = shape.iter().enumerate().filter(|(axis, _)| keep_axes || !axes.contains(axis));
    Ok(sizes.map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect())
}

/// Returns the shape of a Reshape: 0 keeps a size, and −1 stands for the remaining elements.
fn reshaped(shape: &[usize], to: &[i64]) -> Result<Shape, String> {
    let mismatch = || format!("reshapes {shape:?} to {to:?}");
    let elements = product(shape)?;
    let mut out = Vec::with_capacity(to.len());
    for (axis, &size) in to.iter().enumerate() {
        out.push(match size {
            0 => *shape.get(axis).ok_or_else(mismatch)?,
            -1 => 1,
            size => usize::try_from(size).map_err(|_| mismatch())?,
        });
    }
    let known = product(&out)?;
    if let Some(inferred) = to.iter().position(|&size| size == -1) {
        out[inferred] = elements.checked_div(known).ok_or_else(mismatch)?;
    }
    if product(&out)? == elements { Ok(out) } else { Err(mismatch()) }
}
