//! How each operator's output is shaped, by the operators' specification (<https://onnx.ai/onnx/operators>).

use tract_onnx::pb::NodeProto;

pub type Shape = Vec<usize>;

/// A whole number among a node's attributes.
pub fn int(node: &NodeProto, name: &str) -> Option<i64> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.i)
}

/// A list of whole numbers among them.
pub fn ints(node: &NodeProto, name: &str) -> Option<Vec<i64>> {
    node.attribute.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.ints.clone())
}

/// Height and width of what a window of `kernel` gives on a square.
pub fn pooled(node: &NodeProto, size: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2], String> {
    let pair = |name: &str, otherwise: i64| -> Result<[i64; 2], String> {
        match ints(node, name).as_deref() {
            None | Some([]) => Ok([otherwise; 2]),
            Some(&[a, b]) if (1..=1024).contains(&a) && (1..=1024).contains(&b) => Ok([a, b]),
            Some(other) => Err(format!("has {name} of {other:?}")),
        }
    };
    let (strides, dilations) = (pair("strides", 1)?, pair("dilations", 1)?);
    let auto = node.attribute.iter().find(|attribute| attribute.name == "auto_pad");
    let auto = auto.map_or("NOTSET".into(), |attribute| String::from_utf8_lossy(&attribute.s).into_owned());
    let pads = match ints(node, "pads").as_deref() {
        None | Some([]) => [0; 4],
        Some(&[a, b, c, d]) if [a, b, c, d].iter().all(|pad| (0..=1024).contains(pad)) => [a, b, c, d],
        Some(other) => return Err(format!("has pads of {other:?}")),
    };
    let ceil = int(node, "ceil_mode") == Some(1);
    let mut out = [0; 2];
    for axis in 0..2 {
        let number = |value: usize| i64::try_from(value).map_err(|_| format!("has a size of {value}"));
        let (size, kernel) = (number(size[axis])?, number(kernel[axis])?);
        let window = (kernel - 1).checked_mul(dilations[axis]).map_or(i64::MAX, |window| window.saturating_add(1));
        let stride = strides[axis];
        let found = match auto.as_str() {
            "SAME_UPPER" | "SAME_LOWER" => (size + stride - 1) / stride,
            _ => {
                let pads = if auto == "VALID" { 0 } else { pads[axis] + pads[axis + 2] };
                let room = size + pads - window;
                if room < 0 { 0 } else { (room + if ceil { stride - 1 } else { 0 }) / stride + 1 }
            }
        };
        out[axis] = usize::try_from(found)
            .ok()
            .filter(|&found| found > 0)
            .ok_or_else(|| format!("has a window of {window} on {size} values, and nothing is left"))?;
    }
    Ok(out)
}

/// What `op` gives. `Ok(None)` where it cannot be told (a reshape by computed numbers, say).
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
                return Err("has no window of two sides".into());
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
            let axis = place(int(node, "axis").unwrap_or(1), shape.len() + 1)?;
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
                *axis = place(*axis, rank)? as i64;
            }
            axes.sort_unstable();
            for axis in axes {
                shape.insert(place(axis, shape.len() + 1)?, 1);
            }
            Ok(Some(shape).filter(|shape| shape.len() <= 8))
        }),
        "Transpose" => from_first(&|shape| {
            let turned = (0..shape.len() as i64).rev().collect();
            let order = ints(node, "perm").unwrap_or(turned);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            if sorted != (0..shape.len() as i64).collect::<Vec<_>>() {
                return Err(format!("has the order {order:?} for {shape:?}"));
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
            let axis = place(int(node, "axis").unwrap_or(0), shape.len())?;
            let sizes = shapes.iter().map(|shape| shape.get(axis).copied());
            let sum = sizes.sum::<Option<usize>>().ok_or_else(|| format!("joins {shapes:?}"))?;
            shape[axis] = sum;
            Ok(Some(shape))
        }
        "Shape" | "Gather" | "Slice" | "Size" => Ok(None), // numbers about the picture, not of it
        _ => Err(
            "is an operator that is not known here; simplify the model (onnxsim does), or export it with plain ones"
                .into(),
        ),
    }
}

/// By numpy's rule: shapes are aligned at their ends, and ones are stretched.
fn broadcast(inputs: &[Option<Shape>]) -> Result<Option<Shape>, String> {
    let Some(shapes) = inputs.iter().cloned().collect::<Option<Vec<Shape>>>() else { return Ok(None) };
    let axes = shapes.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = vec![1; axes];
    for shape in &shapes {
        for (size, out) in shape.iter().rev().zip(out.iter_mut().rev()) {
            match (*size, *out) {
                (size, other) if size == other || size == 1 => {}
                (size, 1) => *out = size,
                _ => return Err(format!("joins {shapes:?}, which do not go together")),
            }
        }
    }
    Ok(Some(out))
}

fn place(axis: i64, axes: usize) -> Result<usize, String> {
    let from_end = if axis < 0 { axis.saturating_add(axes as i64) } else { axis };
    usize::try_from(from_end).ok().filter(|&axis| axis < axes).ok_or_else(|| format!("has axis {axis} of {axes}"))
}

fn product(sizes: &[usize]) -> Result<usize, String> {
    let all = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
    all.ok_or_else(|| format!("has a shape of {sizes:?}"))
}

fn reduced(shape: &[usize], axes: &[i64], keep: bool) -> Result<Shape, String> {
    let axes: Vec<usize> = axes.iter().map(|&axis| place(axis, shape.len())).collect::<Result<_, _>>()?;
    let sizes = shape.iter().enumerate().filter(|(axis, _)| keep || !axes.contains(axis));
    Ok(sizes.map(|(axis, &size)| if axes.contains(&axis) { 1 } else { size }).collect())
}

/// 0 keeps a size, −1 is what is left.
fn reshaped(shape: &[usize], to: &[i64]) -> Result<Shape, String> {
    let wrong = || format!("makes {to:?} of {shape:?}");
    let all = product(shape)?;
    let mut out = Vec::with_capacity(to.len());
    for (axis, &size) in to.iter().enumerate() {
        out.push(match size {
            0 => *shape.get(axis).ok_or_else(wrong)?,
            -1 => 1,
            size => usize::try_from(size).map_err(|_| wrong())?,
        });
    }
    let known = product(&out)?;
    if let Some(open) = to.iter().position(|&size| size == -1) {
        out[open] = all.checked_div(known).ok_or_else(wrong)?;
    }
    if product(&out)? == all { Ok(out) } else { Err(wrong()) }
}
