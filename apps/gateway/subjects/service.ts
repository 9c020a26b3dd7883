import type { Sql } from '@usage/db/connection/connect.ts';
import * as store from '@usage/db/subjects/subjects.ts';
import { formatTimeUs } from '@usage/lib/event/time.ts';
import { type Fault, integerIn, invalid } from '@usage/lib/http/faults.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { fromDatabase } from '../database.ts';
import { type Subject, subjectPageSizeMax } from './model.ts';
import { readSubjects } from './rules.ts';

const pageMax = 1_000_000;
const shownLengthMax = 100;

/** Creates or changes subjects, all or none. Problems: 400 with every fault. */
export async function upsertSubjects(sql: Sql, namespace: string, body: unknown): Promise<Subject[]> {
  const read = readSubjects(body);
  if ('faults' in read) throw invalid('list of subjects', read.faults);
  return (await fromDatabase(store.upsertSubjects(sql, namespace, read.value))).map(toWire);
}

/** By id or key. Problems: 404. */
export async function getSubject(sql: Sql, namespace: string, idOrKey: string): Promise<Subject> {
  return toWire(await findSubject(sql, namespace, idOrKey));
}

/** Problems: 404. */
export async function deleteSubject(sql: Sql, namespace: string, idOrKey: string): Promise<void> {
  const subject = await findSubject(sql, namespace, idOrKey);
  await fromDatabase(store.deleteSubject(sql, namespace, subject.id));
}

/** A page of subjects by key, and the number of the next page where there is one. Problems: 400. */
export async function listSubjects(
  sql: Sql,
  namespace: string,
  query: URLSearchParams,
): Promise<{ subjects: Subject[]; pageSize: number; nextPage: number | undefined }> {
  const faults: Fault[] = [];
  const page = integerIn(query, 'page', 1, pageMax, faults);
  const pageSize = integerIn(query, 'pageSize', subjectPageSizeMax, subjectPageSizeMax, faults);
  if (faults.length > 0) throw invalid('query', faults);
  const subjects = await fromDatabase(store.listSubjects(sql, namespace, { page, pageSize }));
  const nextPage = subjects.length === pageSize ? page + 1 : undefined;
  return { subjects: subjects.map(toWire), pageSize, nextPage };
}

async function findSubject(sql: Sql, namespace: string, idOrKey: string): Promise<store.Subject> {
  const subject = await fromDatabase(store.getSubject(sql, namespace, idOrKey));
  if (subject) return subject;
  const shown = JSON.stringify(idOrKey.slice(0, shownLengthMax));
  throw new Problem(
    'not_found',
    `There is no subject with the id or key ${shown}; events may name it all the same.`,
  );
}

/** As OpenMeter answers: what is not set is left out. */
function toWire(subject: store.Subject): Subject {
  const { id, key, displayName, metadata, currentPeriodStartUs, currentPeriodEndUs, stripeCustomerId } =
    subject;
  return {
    id,
    key,
    ...(displayName !== undefined && { displayName }),
    ...(metadata !== undefined && { metadata }),
    ...(currentPeriodStartUs !== undefined && { currentPeriodStart: formatTimeUs(currentPeriodStartUs) }),
    ...(currentPeriodEndUs !== undefined && { currentPeriodEnd: formatTimeUs(currentPeriodEndUs) }),
    ...(stripeCustomerId !== undefined && { stripeCustomerId }),
    createdAt: subject.createdAt.toISOString(),
    updatedAt: subject.updatedAt.toISOString(),
  };
}
