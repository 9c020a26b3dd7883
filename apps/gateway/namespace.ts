export type { NamespaceOf } from '@usage/lib/auth/access.ts';
export { defaultNamespace } from '@usage/lib/auth/key.ts';
