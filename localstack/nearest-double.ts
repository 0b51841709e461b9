/**
 * Rounding for the oracle: the nearest double is found by comparing fractions exactly. It shares no idea with the engine,
 * which divides and shifts, nor with the engines of SQL, which read a text.
 */

const view = new DataView(new ArrayBuffer(8));

/** Doubles that are not negative have the order of their bits. */
function bitsOf(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

function doubleOf(bits: bigint): number {
  view.setBigUint64(0, bits);
  return view.getFloat64(0);
}

/** A double that is not negative as a multiple of the least positive one, 2^−1074. */
function multipleOf(bits: bigint): bigint {
  const exponent = bits >> 52n;
  const fraction = bits & (2n ** 52n - 1n);
  return exponent === 0n ? fraction : (2n ** 52n + fraction) << (exponent - 1n);
}

/** The double nearest to a fraction; of two equally near ones the one whose last bit is 0. */
export function nearestDouble(numerator: bigint, denominator: bigint): number {
  if (numerator === 0n) return 0;
  if (numerator < 0n) return -nearestDouble(-numerator, denominator);
  const twice = 2n * 2n ** 1_074n * numerator;
  // Compared with the points halfway to its neighbours, a guess moves until it lies between them.
  for (let bits = bitsOf(Number(numerator) / Number(denominator)); ; ) {
    const isOdd = bits % 2n === 1n;
    const above = (multipleOf(bits) + multipleOf(bits + 1n)) * denominator;
    const below = (multipleOf(bits) + multipleOf(bits - 1n)) * denominator;
    if (twice > above || (isOdd && twice === above)) bits++;
    else if (twice < below || (isOdd && twice === below)) bits--;
    else return doubleOf(bits);
  }
}
