/**
 * Exact whole numbers that are fast while they are small: a `number` within ±(2^53 − 1), a `bigint` beyond.
 * Sums of decimals are kept as whole multiples of their smallest unit (cents for two digits), so they do not depend
 * on the order of addition, here as in DynamoDB.
 */
export type Exact = number | bigint;

const LARGEST = Number.MAX_SAFE_INTEGER;

function shrink(value: bigint): Exact {
  return value <= LARGEST && value >= -LARGEST ? Number(value) : value;
}

export function addExact(left: Exact, right: Exact): Exact {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (sum <= LARGEST && sum >= -LARGEST) return sum;
  }
  return shrink(BigInt(left) + BigInt(right));
}

export function multiplyExact(left: Exact, right: Exact): Exact {
  if (typeof left === 'number' && typeof right === 'number') {
    const product = left * right;
    if (product <= LARGEST && product >= -LARGEST) return product;
  }
  return shrink(BigInt(left) * BigInt(right));
}

/** DynamoDB returns numbers without exponent up to 38 digits; trailing zeros may come as `1E+3`. */
export function parseExact(text: string): Exact {
  const value = Number(text);
  return value <= LARGEST && value >= -LARGEST ? value : shrink(parseBigInteger(text));
}

function parseBigInteger(text: string): bigint {
  const [digits = '0', exponent] = text.split(/[eE]/);
  return exponent === undefined ? BigInt(digits) : bigIntegerOf(digits, Number(exponent));
}

function bigIntegerOf(digits: string, exponent: number): bigint {
  const [whole = '0', fraction = ''] = digits.split('.');
  return BigInt(whole + fraction) * 10n ** BigInt(exponent - fraction.length);
}

/** `value · 10^scale` as a whole number, exact for a decimal of at most 15 digits. */
export function unitsOf(value: number, scale: number): number {
  return Math.round(value * 10 ** scale);
}

/**
 * The double nearest to `value / (divisor · 10^scale)`, of two equally near ones the even one: one rounding, whatever the
 * size of the operands.
 *
 * @param divisor from 1 to 2^100.
 * @param scale from 0 to 30.
 */
export function nearestQuotient(value: Exact, divisor: Exact, scale: number): number {
  // `divisor · 5^scale` is an exact double, and so is that times 2^scale: IEEE division of exact operands rounds once.
  if (typeof value === 'number' && typeof divisor === 'number' && divisor * 5 ** scale <= LARGEST) {
    return value / (divisor * 10 ** scale);
  }
  // 512 binary places and no remainder are enough. With `d = divisor · 10^scale < 2^200`, a quotient is halfway between
  // two doubles, and then ends before, or further from there than 2^−55 / d², so what is cut off decides nothing.
  const quotient = (BigInt(value) << 512n) / (BigInt(divisor) * 10n ** BigInt(scale));
  return Number(quotient) * 2 ** -512;
}
