// Progressive enhancement: every page also works without these scripts.

import { initCharts } from "./chart.js";
import { initComboboxes } from "./combobox.js";
import { initCopyButtons } from "./copy-button.js";
import { loadDeferredCounts } from "./deferred-count.js";
import { initDismissButtons } from "./dismiss.js";
import { initEditors } from "./editor.js";
import { continueEditing } from "./kept-form.js";
import { initLiveSearch } from "./live-search.js";
import { initMenus } from "./menu.js";
import { initPasskeys } from "./passkeys.js";
import { pollProgress } from "./progress.js";
import { initSelection } from "./selection.js";
import { forgetSentForm } from "./sent-form.js";
import { initShortcuts } from "./shortcuts.js";
import { rememberTimeZone } from "./time-zone.js";
import { initUploads } from "./upload.js";

initShortcuts();
initMenus();
initComboboxes();
initCharts();
initCopyButtons();
initLiveSearch();
initSelection();
initEditors();
initDismissButtons();
initUploads();
loadDeferredCounts(document);
pollProgress();
initPasskeys();
rememberTimeZone();
continueEditing();
forgetSentForm();
