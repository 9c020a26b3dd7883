const english = {
  loading: 'Loading …',
  empty: 'No usage in this time.',
  expired: 'This view has expired. Reload the page.',
  failed: 'Usage can’t be shown now.',
  incomplete: 'usage-panel needs the attributes token and meter.',
  table: 'Table',
  chart: 'Chart',
  day: 'Day',
  group: 'Group',
  usage: 'Usage',
  zone: 'Days by the clock of',
};
export type Messages = typeof english;

const others: Record<string, Partial<Messages>> = {
  de: {
    loading: 'Wird geladen …',
    empty: 'Keine Nutzung in dieser Zeit.',
    expired: 'Diese Ansicht ist abgelaufen. Bitte die Seite neu laden.',
    failed: 'Die Nutzung kann gerade nicht angezeigt werden.',
    table: 'Tabelle',
    chart: 'Diagramm',
    day: 'Tag',
    group: 'Gruppe',
    usage: 'Nutzung',
    zone: 'Tage nach der Uhr von',
  },
  fr: {
    loading: 'Chargement …',
    empty: 'Aucune utilisation sur cette période.',
    expired: 'Cette vue a expiré. Rechargez la page.',
    failed: 'L’utilisation ne peut pas être affichée.',
    table: 'Tableau',
    chart: 'Graphique',
    day: 'Jour',
    group: 'Groupe',
    usage: 'Utilisation',
    zone: 'Jours à l’heure de',
  },
  es: {
    loading: 'Cargando …',
    empty: 'Sin uso en este periodo.',
    expired: 'Esta vista ha caducado. Recargue la página.',
    failed: 'El uso no se puede mostrar ahora.',
    table: 'Tabla',
    chart: 'Gráfico',
    day: 'Día',
    group: 'Grupo',
    usage: 'Uso',
    zone: 'Días según la hora de',
  },
};

/** In the language of the locale; English where it is not one of these. */
export function messages(locale: string): Messages {
  return { ...english, ...others[locale.split('-')[0]!.toLowerCase()] };
}
