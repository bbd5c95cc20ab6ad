"""How this service's facts read in the log and which metrics they move."""

from services.content.knowledge.instruments import KNOWLEDGE
from services.content.writing.instruments import DOCUMENT_TABLE

TABLE = (*KNOWLEDGE, *DOCUMENT_TABLE)
