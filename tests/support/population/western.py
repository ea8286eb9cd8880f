"""Western names and places."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.population.words import words


@dataclass(frozen=True, slots=True)
class Town:
    """A city with its state, country, shape of a postcode (# a digit, @ a letter), and beginning of phone numbers."""

    city: str
    state: str
    country: str
    postcode: str
    phone: str


MALE = words(
    "James John Robert Michael William David Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony "
    "Mark Donald Steven Paul Andrew Joshua Kenneth Kevin Brian George Edward Ronald Timothy Jason Jeffrey "
    "Ryan Jacob Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Frank "
    "Alexander Raymond Patrick Jack Dennis Jerry Tyler Aaron Jose Adam Nathan Henry Douglas Zachary Peter "
    "Kyle Walter Ethan Oliver Harry Liam Noah Hugo Lukas Jürgen Björn François René José Luís Andrés Piotr "
    "Søren Giovanni Marco Pavel Mateusz"
)
FEMALE = words(
    "Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Margaret "
    "Sandra Ashley Kimberly Emily Donna Michelle Carol Amanda Dorothy Melissa Deborah Stephanie Rebecca "
    "Sharon Laura Cynthia Kathleen Amy Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha Katherine "
    "Christine Debra Rachel Carolyn Janet Catherine Maria Heather Diane Ruth Julie Olivia Joyce Virginia "
    "Victoria Kelly Lauren Christina Joan Evelyn Judith Olive Alice Grace Charlotte Chloé Zoë Agnès Jürgine "
    "Inés Małgorzata Katarzyna Giulia Hélène Sigrid Annika"
)
SURNAMES = words(
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez "
    "Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez "
    "Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker "
    "Hall Rivera Campbell Mitchell Carter Roberts Gomez Phillips Evans Turner Diaz Parker Cruz Edwards "
    "Collins Reyes Stewart Morris Morales Murphy Cook Rogers Gutierrez Ortiz Morgan Cooper Peterson Bailey "
    "Reed Kelly Howard Ramos Kim Cox Ward Richardson Watson Brooks Chavez Wood James Bennett Gray Mendoza "
    "Ruiz Hughes Price Alvarez Castillo Sanders Patel Myers Long Ross O'Brien McDonald MacLeod Müller "
    "Schröder Weiß Jørgensen Dvořák Kowalski Nowak Lefèvre Dubois D'Angelo Saint-Clair Van-Dyke Østergaard "
    "Fernández Peña Fitzgerald St.John Öztürk"
)
# The long tail of surnames is made of these; real ones are far too many for a table.
SURNAME_HEADS = words(
    "Ash Brad Cran Dal El Fair Gran Hal Is Kirk Lang Mel Nor Oak Pen Ray Stan Thorn Up Wal Whit Wool Birch "
    "Hart Marsh Alder Black Chester Drum Farn Glen Holl Kings Lock Mid New Rad Shel Tun Wins"
)
SURNAME_TAILS = words("ford ley ton ham wood well field by worth bury combe man ridge more dale stead gate wick")
NICKNAMES = {
    "James": ("Jim", "Jimmy", "Jamie"),
    "John": ("Jack", "Johnny"),
    "Robert": ("Bob", "Rob", "Bobby"),
    "Michael": ("Mike", "Mick"),
    "William": ("Bill", "Will", "Billy"),
    "David": ("Dave",),
    "Richard": ("Dick", "Rick", "Richie"),
    "Joseph": ("Joe",),
    "Thomas": ("Tom", "Tommy"),
    "Charles": ("Charlie", "Chuck"),
    "Christopher": ("Chris",),
    "Daniel": ("Dan", "Danny"),
    "Matthew": ("Matt",),
    "Anthony": ("Tony",),
    "Steven": ("Steve",),
    "Andrew": ("Andy", "Drew"),
    "Kenneth": ("Ken",),
    "Edward": ("Ed", "Ted", "Eddie"),
    "Timothy": ("Tim",),
    "Nicholas": ("Nick",),
    "Benjamin": ("Ben",),
    "Samuel": ("Sam",),
    "Alexander": ("Alex", "Sasha"),
    "Patrick": ("Pat", "Paddy"),
    "Elizabeth": ("Liz", "Beth", "Betty"),
    "Jennifer": ("Jen", "Jenny"),
    "Patricia": ("Pat", "Trish"),
    "Susan": ("Sue",),
    "Margaret": ("Maggie", "Peggy", "Meg"),
    "Katherine": ("Kate", "Kathy"),
    "Catherine": ("Cathy", "Kate"),
    "Deborah": ("Debbie",),
    "Rebecca": ("Becky",),
    "Barbara": ("Barb",),
    "Victoria": ("Vicky",),
    "Samantha": ("Sam",),
    "Christine": ("Chris", "Tina"),
    "Rachel": ("Rach",),
}
TOWNS = tuple(
    Town(*parts.split("|"))
    for parts in (
        "New York|NY|US|100##|+1212",
        "Los Angeles|CA|US|900##|+1213",
        "Chicago|IL|US|606##|+1312",
        "Houston|TX|US|770##|+1713",
        "Phoenix|AZ|US|850##|+1602",
        "Seattle|WA|US|981##|+1206",
        "Denver|CO|US|802##|+1303",
        "Boston|MA|US|021##|+1617",
        "Springfield|IL|US|627##|+1217",
        "Portland|OR|US|972##|+1503",
        "London|Greater London|GB|SW# #@@|+4420",
        "Manchester|Greater Manchester|GB|M## #@@|+44161",
        "Leeds|West Yorkshire|GB|LS# #@@|+44113",
        "Bristol|Bristol|GB|BS# #@@|+44117",
        "Glasgow|Scotland|GB|G## #@@|+44141",
        "Sydney|NSW|AU|20##|+612",
        "Melbourne|VIC|AU|30##|+613",
        "Brisbane|QLD|AU|40##|+617",
        "Perth|WA|AU|60##|+618",
        "Toronto|ON|CA|M#@ #@#|+1416",
        "Vancouver|BC|CA|V#@ #@#|+1604",
        "Berlin|Berlin|DE|10###|+4930",
        "München|Bayern|DE|80###|+4989",
        "Dublin|Leinster|IE|D## @###|+3531",
    )
)
STREETS = words(
    "Main Oak Park Maple Cedar Elm Washington Lake Hill Church High Station London Victoria Green Mill King "
    "Queen York School North South West Bridge River Spring Chestnut Walnut Lincoln Jackson Franklin Madison "
    "Jefferson Albert George Windsor Richmond Grove Manor Orchard Meadow Forest Sunset Highland Pleasant "
    "Garden Harbour Market"
)
STREET_TYPES = (
    ("Street", "St"),
    ("Road", "Rd"),
    ("Avenue", "Ave"),
    ("Lane", "Ln"),
    ("Drive", "Dr"),
    ("Court", "Ct"),
    ("Place", "Pl"),
    ("Terrace", "Tce"),
)
MAILS = ("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "aol.com", "example.org", "gmx.net")
COMPANY_WORDS = words(
    "Apex Summit Pioneer Sterling Harbor Northern Atlas Global Premier United Liberty Cascade Evergreen "
    "Keystone Vertex Horizon Beacon Phoenix Orion Delta Silver Golden Blue Red River Eagle Falcon Titan Nova "
    "Alpha Omega Crown Royal Metro Coastal Central Pacific Continental Heritage Legacy Frontier Quantum "
    "Vector Matrix Prime Vista Granite"
)
COMPANY_TRADES = words(
    "Logistics Consulting Foods Engineering Electronics Textiles Media Systems Construction Insurance Pharma "
    "Motors Furniture Plumbing Bakery Software Printing Trading Energy Chemicals Travel Security Design "
    "Partners"
)
LEGAL = {
    "US": ("Inc.", "Incorporated", "LLC", "Corp.", "Corporation"),
    "GB": ("Ltd", "Limited", "PLC"),
    "AU": ("Pty Ltd", "Pty. Limited"),
    "CA": ("Inc.", "Ltd."),
    "DE": ("GmbH", "AG"),
    "IE": ("Ltd", "Limited"),
}
TITLES = {"male": ("Mr", "Mr.", "Dr", "Prof."), "female": ("Mrs", "Ms", "Ms.", "Dr", "Miss")}
