import jsep from 'jsep';
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  decimalOfNumber,
  digitsOf,
  divideDecimals,
  floorDecimal,
  multiplyDecimals,
  negateDecimal,
  parseDecimal,
} from '../decimal/decimal.ts';
import { parseTimeUs, timeIssue } from '../event/time.ts';
import { decimalOf } from './number.ts';
import { lookupOf } from './path.ts';

/**
 * The value of an event as arithmetic over JSONPaths, such as `($.ended - $.started) * $.replicas / 3600`.
 *
 *   operands    JSONPaths to one value (a number, or a text that is one) and decimal literals
 *   operators   + - * / and parentheses, with the usual precedence
 *   functions   abs(x), floor(x), ceil(x), min(x, …), max(x, …); time($.path): an RFC 3339 time in seconds since 1970
 *
 * Every result is an exact decimal, but for a quotient: it is rounded half away from zero to 19 decimals, as averages are.
 */
export interface CompiledExpression {
  /** The members of data that its paths begin with; undefined where a path begins otherwise. */
  members: readonly string[] | undefined;
  /** The value; else the reason why the event has none. */
  evaluate(data: unknown): Decimal | string;
}

export const expressionLengthMax = 1_024;
const nodesMax = 64;
const quotientDigits = 19;
const resultDigitsMax = 1_000;

type Evaluate = (data: unknown) => Decimal;

/** Why an event has no value; thrown and caught within evaluate. */
class NoValue extends Error {}

interface Paths {
  nodes: number;
  first: (string | undefined)[];
}

/** Throws an Error that says what is wrong and where. */
export function compileExpression(text: string): CompiledExpression {
  if (text.length > expressionLengthMax)
    throw new Error(`must not be longer than ${expressionLengthMax} characters`);
  const paths: Paths = { nodes: 0, first: [] };
  const run = compileNode(parse(text), paths);
  if (paths.first.length === 0) throw new Error('has no JSONPath: every event would have the same value');
  const members = paths.first.filter((name) => name !== undefined);
  return {
    members: members.length === paths.first.length ? members : undefined,
    evaluate(data) {
      try {
        const value = run(data);
        return digitsOf(value) > resultDigitsMax ? `value has more than ${resultDigitsMax} digits` : value;
      } catch (error) {
        if (error instanceof NoValue) return error.message;
        throw error;
      }
    },
  };
}

function parse(text: string): jsep.Expression {
  try {
    return jsep(text);
  } catch (error) {
    const { description, index } = error as { description?: string; index?: number };
    if (description === undefined) throw error;
    throw new Error(`is not understood at character ${(index ?? 0) + 1}: ${description}`);
  }
}

function compileNode(node: jsep.Expression, paths: Paths): Evaluate {
  if (++paths.nodes > nodesMax) throw new Error(`has more than ${nodesMax} operands and operators`);
  switch (node.type) {
    case 'Literal':
      return literal(node as jsep.Literal);
    case 'Identifier':
    case 'MemberExpression':
      return path(node, paths);
    case 'UnaryExpression':
      return unary(node as jsep.UnaryExpression, paths);
    case 'BinaryExpression':
      return binary(node as jsep.BinaryExpression, paths);
    case 'CallExpression':
      return call(node as jsep.CallExpression, paths);
    default:
      throw new Error(`holds a ${node.type}: only numbers, JSONPaths, + - * / and functions are taken`);
  }
}

function literal({ raw }: jsep.Literal): Evaluate {
  const value = parseDecimal(raw);
  if (value === undefined) throw new Error(`holds ${raw.slice(0, 64)}, which is no decimal number`);
  return () => value;
}

function path(node: jsep.Expression, paths: Paths): Evaluate {
  const { name, value: valueAt } = lookupAt(node, paths);
  return (data) => {
    const raw = valueAt(data);
    if (raw === undefined) throw new NoValue(`missing value: ${name}`);
    if (raw === null) throw new NoValue(`value cannot be null: ${name}`);
    const value = decimalOf(raw);
    if (typeof value === 'string') throw new NoValue(`${value} (${name})`);
    return value;
  };
}

function lookupAt(node: jsep.Expression, paths: Paths) {
  const steps = stepsOf(node);
  if (steps.length === 0) throw new Error('a JSONPath must name a member, like $.tokens');
  paths.first.push(typeof steps[0] === 'string' ? steps[0] : undefined);
  const name = steps.map((step) => (typeof step === 'string' ? `.${step}` : `[${step}]`)).join('');
  return { name: `$${name}`, value: lookupOf(steps) };
}

function stepsOf(node: jsep.Expression): (string | number)[] {
  if (node.type === 'Identifier') {
    const { name } = node as jsep.Identifier;
    if (name !== '$')
      throw new Error(
        `holds the name ${name.slice(0, 64)}: a JSONPath begins with $, like $.${name.slice(0, 64)}`,
      );
    return [];
  }
  if (node.type !== 'MemberExpression') throw new Error('a JSONPath must begin with $');
  const { object, property, computed, optional } = node as jsep.MemberExpression;
  if (optional) throw new Error('?. is not taken: what is missing has no value anyway');
  return [...stepsOf(object), stepOf(property, computed)];
}

function stepOf(property: jsep.Expression, computed: boolean): string | number {
  if (!computed) return (property as jsep.Identifier).name;
  const { value, operator, argument } = property as jsep.Literal & jsep.UnaryExpression;
  const index = operator === '-' ? -Number((argument as jsep.Literal).value) : value;
  if (typeof index === 'string' || Number.isSafeInteger(index)) return index as string | number;
  throw new Error("a JSONPath's brackets hold a name or an index, like $['a b'] or $.list[0]");
}

function unary({ operator, argument }: jsep.UnaryExpression, paths: Paths): Evaluate {
  const value = compileNode(argument, paths);
  if (operator === '+') return value;
  if (operator === '-') return (data) => negateDecimal(value(data));
  throw new Error(`holds the operator ${operator}: + - * / are taken`);
}

function binary({ operator, left, right }: jsep.BinaryExpression, paths: Paths): Evaluate {
  const [a, b] = [compileNode(left, paths), compileNode(right, paths)];
  switch (operator) {
    case '+':
      return (data) => addDecimals(a(data), b(data));
    case '-':
      return (data) => addDecimals(a(data), negateDecimal(b(data)));
    case '*':
      return (data) => multiplyDecimals(a(data), b(data));
    case '/':
      return (data) => {
        const [dividend, divisor] = [a(data), b(data)];
        if (compareDecimals(divisor, 0) === 0) throw new NoValue('division by zero');
        return divideDecimals(dividend, divisor, quotientDigits);
      };
    default:
      throw new Error(`holds the operator ${operator}: + - * / are taken`);
  }
}

const least = (a: Decimal, b: Decimal) => (compareDecimals(a, b) <= 0 ? a : b);
const greatest = (a: Decimal, b: Decimal) => (compareDecimals(a, b) >= 0 ? a : b);
const functionsOfOne: Readonly<Record<string, (value: Decimal) => Decimal>> = {
  abs: (value) => (compareDecimals(value, 0) < 0 ? negateDecimal(value) : value),
  floor: floorDecimal,
  ceil: (value) => negateDecimal(floorDecimal(negateDecimal(value))),
};
const functionsOfMany: Readonly<Record<string, (a: Decimal, b: Decimal) => Decimal>> = {
  min: least,
  max: greatest,
};

function call({ callee, arguments: given }: jsep.CallExpression, paths: Paths): Evaluate {
  const name = callee.type === 'Identifier' ? (callee as jsep.Identifier).name : '';
  if (name === 'time') return time(given, paths);
  const ofOne = Object.hasOwn(functionsOfOne, name) ? functionsOfOne[name] : undefined;
  const ofMany = Object.hasOwn(functionsOfMany, name) ? functionsOfMany[name] : undefined;
  if (!ofOne && !ofMany)
    throw new Error(
      `calls ${name.slice(0, 64) || 'no function'}: abs, floor, ceil, min, max and time are known`,
    );
  if (given.length === 0 || (ofOne && given.length > 1))
    throw new Error(`${name} takes ${ofOne ? 'one value' : 'one value or more'}`);
  const values = given.map((one) => compileNode(one, paths));
  if (ofOne) return (data) => ofOne(values[0]!(data));
  return (data) => values.map((value) => value(data)).reduce(ofMany!);
}

function time(given: jsep.Expression[], paths: Paths): Evaluate {
  if (given.length !== 1 || given[0]!.type !== 'MemberExpression')
    throw new Error('time takes one JSONPath, like time($.started)');
  const { name, value: valueAt } = lookupAt(given[0]!, paths);
  return (data) => {
    const raw = valueAt(data);
    const issue = typeof raw === 'string' ? timeIssue(raw) : 'expected an RFC 3339 time';
    if (issue !== undefined) throw new NoValue(`${issue} (${name})`);
    return divideDecimals(decimalOfNumber(parseTimeUs(raw as string)!), 1_000_000, 6);
  };
}
