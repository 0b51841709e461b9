import type { ArithmeticOperator, ComparisonOperator, Expression, Value } from './tree.ts';

/** How tightly a rendering holds together; an operand that holds more loosely than its place needs parentheses. */
const STRENGTH = { or: 1, and: 2, not: 3, comparison: 4, sum: 5, product: 6, atom: 7 } as const;
type Strength = (typeof STRENGTH)[keyof typeof STRENGTH];

interface Rendering {
  readonly text: string;
  readonly strength: Strength;
}

const SYMBOLS: Readonly<Record<ArithmeticOperator | ComparisonOperator, string>> = {
  plus: '+',
  minus: '-',
  times: '*',
  dividedBy: '/',
  equals: '=',
  differsFrom: '<>',
  isGreaterThan: '>',
  isAtLeast: '>=',
  isLessThan: '<',
  isAtMost: '<=',
};

/** A message or a page of documentation shows this many values of a long list. */
const VALUES_SHOWN = 5;

/** An expression as a person would write it, for documentation and problem messages: `amount / average > 5`. */
export function describe(expression: Expression): string {
  return render(expression).text;
}

function render(tree: Expression): Rendering {
  switch (tree.kind) {
    case 'column':
      return { text: tree.name, strength: STRENGTH.atom };
    case 'literal':
      return { text: showValue(tree.value), strength: STRENGTH.atom };
    case 'arithmetic': {
      const strength = tree.operator === 'plus' || tree.operator === 'minus' ? STRENGTH.sum : STRENGTH.product;
      // The right side needs a tighter hold: a - (b + c) is not a - b + c.
      const right = operand(tree.right, strength === STRENGTH.sum ? STRENGTH.product : STRENGTH.atom);
      return { text: `${operand(tree.left, strength)} ${SYMBOLS[tree.operator]} ${right}`, strength };
    }
    case 'numberComparison':
    case 'textComparison':
    case 'booleanComparison': {
      const [left, right] = [operand(tree.left, STRENGTH.sum), operand(tree.right, STRENGTH.sum)];
      return { text: `${left} ${SYMBOLS[tree.operator]} ${right}`, strength: STRENGTH.comparison };
    }
    case 'numberIsOneOf':
    case 'textIsOneOf': {
      const text = `${operand(tree.operand, STRENGTH.sum)} in (${showSome(tree.values.map(showValue))})`;
      return { text, strength: STRENGTH.comparison };
    }
    case 'and':
    case 'or': {
      const strength = STRENGTH[tree.kind];
      return { text: tree.operands.map((part) => operand(part, strength)).join(` ${tree.kind} `), strength };
    }
    case 'not':
      return { text: `not ${operand(tree.operand, STRENGTH.not)}`, strength: STRENGTH.not };
    case 'isNull':
      return { text: `${operand(tree.operand, STRENGTH.sum)} is null`, strength: STRENGTH.comparison };
    case 'isNotNull':
      return { text: `${operand(tree.operand, STRENGTH.sum)} is not null`, strength: STRENGTH.comparison };
    default:
      return { text: renderAtom(tree), strength: STRENGTH.atom };
  }
}

type AtomKind = 'numberFunction' | 'characterCount' | 'case' | 'coalesce' | 'textLookup' | 'numberLookup';

/** The nodes whose text has its own brackets. */
function renderAtom(tree: Extract<Expression, { readonly kind: AtomKind }>): string {
  switch (tree.kind) {
    case 'numberFunction':
      return `${tree.operator}(${describe(tree.operand)})`;
    case 'characterCount':
      return `characterCount(${describe(tree.operand)})`;
    case 'coalesce':
      return `coalesce(${tree.operands.map(describe).join(', ')})`;
    case 'case': {
      const branches = tree.branches
        .map(({ condition, result }) => ` when ${describe(condition)} then ${describe(result)}`)
        .join('');
      return `case${branches}${tree.otherwise === null ? '' : ` else ${describe(tree.otherwise)}`} end`;
    }
    case 'textLookup':
    case 'numberLookup': {
      const entries = tree.entries.map(([key, value]) => `${showValue(key)}: ${showValue(value)}`);
      return `lookup(${describe(tree.key)}, {${showSome(entries)}}, ${showValue(tree.otherwise)})`;
    }
  }
}

function operand(tree: Expression, needed: Strength): string {
  const { text, strength } = render(tree);
  return strength < needed ? `(${text})` : text;
}

function showValue(value: Value): string {
  return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
}

function showSome(items: readonly string[]): string {
  const hidden = items.length - VALUES_SHOWN;
  return hidden > 0 ? `${items.slice(0, VALUES_SHOWN).join(', ')}, and ${hidden} more` : items.join(', ');
}
