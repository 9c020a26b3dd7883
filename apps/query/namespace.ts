export type NamespaceOf = (request: Request) => string;

/** Whose events and meters a request is about. The one place that decides it. */
export const namespaceOf: NamespaceOf = () => 'default';
