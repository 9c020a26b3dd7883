import type { Issue } from './issue.ts';

/** A reason that continues the field's name, or issues of the value's parts, their fields relative to it. */
export type Judgement = string | readonly Issue[] | undefined;

/** TypeBox's name for schemas that are judged by a function, and the member that holds it. */
export const judgedKind = 'Judged';
export const judge = Symbol('judge');
