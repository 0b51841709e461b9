/** The callbacks of declarations: what they are given, and what they must make of it. */
import {
  type AnyExpression,
  BooleanExpression,
  columnsOf,
  NumberExpression,
  TextExpression,
} from '../expressions/index.ts';
import { DefinitionError } from './error.ts';
import { shown, suggestion } from './shape.ts';

const OPERATORS =
  "JavaScript's operators do not work on columns: write .and(), .or(), .not(), .isGreaterThan() instead of &&, ||, !, >";

/**
 * The expression that a callback makes of columns.
 * @param subject what the callback belongs to, such as `service fraud_detection: rule HIGH_VELOCITY`.
 * @throws DefinitionError when it throws, names a column that is not there, loses a column or makes no expression.
 */
export function expressionFrom<Columns extends object>(
  subject: string,
  callback: (columns: Columns) => AnyExpression,
  columns: Columns,
): AnyExpression {
  const { guarded, lostBy } = guard(subject, columns);
  const made = call(subject, callback, guarded);
  if (!(made instanceof NumberExpression || made instanceof TextExpression || made instanceof BooleanExpression)) {
    throw new DefinitionError(subject, `must return an expression; got ${shown(made)}; ${OPERATORS}`);
  }
  const lost = lostBy(made);
  if (lost !== undefined) {
    throw new DefinitionError(
      subject,
      `reads "${lost}", which its expression does not use; ${OPERATORS}; or do not read the column`,
    );
  }
  return made;
}

/** Like `expressionFrom`, for conditions. */
export function conditionFrom<Columns extends object>(
  subject: string,
  callback: (columns: Columns) => AnyExpression,
  columns: Columns,
): BooleanExpression {
  const made = expressionFrom(subject, callback, columns);
  if (made instanceof BooleanExpression) return made;
  throw new DefinitionError(
    subject,
    `must return a condition; got a ${made.tree.type}; compare it, such as by .isGreaterThan(0)`,
  );
}

function call<Columns>(subject: string, callback: (columns: Columns) => AnyExpression, columns: Columns): unknown {
  try {
    return callback(columns);
  } catch (cause) {
    if (cause instanceof DefinitionError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DefinitionError(subject, `its function throws: ${reason}`, { cause });
  }
}

/** Columns that refuse a name that is not there, and know which of them were read and got lost. */
function guard<Columns extends object>(subject: string, columns: Columns) {
  const read = new Set<string>();
  let wereCopied = false;
  const guarded = new Proxy(columns, {
    get(target, name, receiver): unknown {
      if (typeof name === 'symbol') return Reflect.get(target, name, receiver);
      if (!Object.hasOwn(target, name)) {
        const names = Object.keys(target);
        throw new DefinitionError(subject, `there is no column "${name}"; ${suggestion(name, names, 'columns')}`);
      }
      read.add(name);
      return Reflect.get(target, name, receiver);
    },
    ownKeys(target) {
      wereCopied = true;
      return Reflect.ownKeys(target);
    },
  });
  const lostBy = ({ tree }: AnyExpression): string | undefined => {
    const used = columnsOf(tree);
    // `a && b` is `b`, because every expression is truthy: what was read of `a` is how this is seen.
    return wereCopied ? undefined : [...read].find((name) => !used.has(name));
  };
  return { guarded, lostBy };
}
