//! Unrolled loops: the compiler keeps an array of registers in registers only without a loop counter.

/// `unroll!(count, |index| { … })` repeats the block for each index below `count`, a constant of at most 17.
///
/// 17 is the largest count: a depthwise kernel of 5 with stride 2 reads 6 · 2 + 5 pixels for 7 outputs.
macro_rules! unroll {
    ($count:expr, |$index:ident| $body:block) => {
        unroll!(@ $count, $index, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $count:expr, $index:ident, $body:block, $($number:literal)*) => {{
        $(if $number < $count {
            let $index: usize = $number;
            $body
        })*
    }};
}
pub(crate) use unroll;
