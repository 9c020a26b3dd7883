import type { Static } from '@sinclair/typebox';
import type { Sql } from '@usage/db/connection/connect.ts';
import * as store from '@usage/db/subjects/subjects.ts';
import { formatTimeUs, parseTimeUs } from '@usage/lib/event/time.ts';
import { readBodyAs } from '@usage/lib/http/invalid.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { fromDatabase } from '../database.ts';
import { type Subject, SubjectUpserts, subjectPageSizeMax } from './model.ts';

const shownLengthMax = 100;

/** Creates or changes subjects, all or none. Problems: 400 with every issue. */
export async function upsertSubjects(sql: Sql, namespace: string, body: unknown): Promise<Subject[]> {
  const changes = readBodyAs('list of subjects', SubjectUpserts, body).map(toChange);
  return (await fromDatabase(store.upsertSubjects(sql, namespace, changes))).map(toWire);
}

function toChange({
  currentPeriodStart,
  currentPeriodEnd,
  ...rest
}: Static<typeof SubjectUpserts>[number]): store.SubjectChange {
  return {
    ...rest,
    currentPeriodStartUs: currentPeriodStart === undefined ? undefined : parseTimeUs(currentPeriodStart),
    currentPeriodEndUs: currentPeriodEnd === undefined ? undefined : parseTimeUs(currentPeriodEnd),
  };
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
  { page = 1, pageSize = subjectPageSizeMax }: { page?: number; pageSize?: number },
): Promise<{ subjects: Subject[]; pageSize: number; nextPage: number | undefined }> {
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
