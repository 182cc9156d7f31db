"""Names of people and companies that do not exist, in English and Thai."""

from __future__ import annotations

ENGLISH_FIRST = (
    "Ana", "Bo", "Charlotte", "Daniel", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Katarina", "Liam", "Maya", "Noah", "Olivia",
    "Pedro", "Quentin", "Rosa", "Samir", "Tessa", "Ursula", "Victor", "Wen", "Xavier", "Yasmin", "Zoe", "Aisha", "Benedict", "Chloe", "Dmitri",
)  # fmt: skip
ENGLISH_LAST = (
    "Martins", "Olsen", "Baker", "Tan", "Novak", "Rahman", "O'Brien", "Keller", "Lindqvist", "Moreau", "Nguyen", "Papadopoulos", "Quispe", "Rossi",
    "Schmidt", "Tanaka", "Van der Berg", "Walker", "Yilmaz", "Zhang", "Almeida", "Brown", "Castillo", "Dubois", "Eriksen", "Fischer", "García", "Müller",
)  # fmt: skip
# With the Latin letters of the address.
THAI_FIRST = (
    ("สมชาย", "somchai"), ("สุภาพร", "supaporn"), ("อนุชา", "anucha"), ("พิมพ์ชนก", "pimchanok"), ("ณัฐพล", "nattapon"), ("กัญญารัตน์", "kanyarat"),
    ("ธนวัฒน์", "thanawat"), ("ศิริพร", "siriporn"), ("วรวุฒิ", "worawut"), ("ปาริชาต", "parichat"), ("กิตติศักดิ์", "kittisak"), ("จิราภรณ์", "jiraporn"),
    ("ชัยวัฒน์", "chaiwat"), ("ดวงกมล", "duangkamol"), ("ประเสริฐ", "prasert"), ("รัตนาภรณ์", "rattanaporn"), ("สุรชัย", "surachai"), ("อรุณี", "arunee"),
    ("เบญจมาศ", "benjamas"), ("ไพบูลย์", "paiboon"),
)  # fmt: skip
THAI_LAST = (
    ("ใจดี", "jaidee"), ("ศรีสุข", "srisuk"), ("วงศ์สวัสดิ์", "wongsawat"), ("แสงทอง", "saengthong"), ("พรหมมา", "promma"), ("จันทร์เพ็ญ", "chanpen"),
    ("รุ่งเรือง", "rungrueang"), ("สุวรรณรัตน์", "suwannarat"), ("บุญประเสริฐ", "boonprasert"), ("ทองคำ", "thongkham"), ("มณีวงศ์", "maneewong"),
    ("อัศวโภคิน", "asavabhokhin"), ("เจริญผล", "charoenphon"), ("กิตติวัฒนากุล", "kittiwattanakul"), ("ลิ้มประเสริฐ", "limprasert"), ("ชัยมงคล", "chaimongkol"),
)  # fmt: skip
LONGEST = (
    ("Professor Dr. Maximiliana Wattanasirichaikul-Papadopoulos von Hohenstein", "maximiliana.wattanasirichaikul", "en"),
    ("ดร.กาญจนาภรณ์ ศรีวัฒนวงศ์ไพศาลกิจเจริญรุ่งเรืองทรัพย์", "kanjanaporn.sriwattanawongpaisan", "th"),
    ("Siripornchanokwatthanaphakdeeseri Rattanakosinthornpongpanichayakul", "siripornchanok.rattanakosin", "en"),
)

HOTEL = ("{} Hotel {}", "{} Resort {}", "{} Residences {}", "The {} {}")
RESTAURANT = ("{} Kitchen {}", "{} Table {}", "Cafe {} {}", "{} Noodle House {}")
RETAIL = ("{} Department Store {}", "{} Market {}", "{} Books {}", "{} Home {}")
SPA = ("{} Spa {}", "{} Wellness {}", "{} Thai Massage {}")
OFFICE = ("{} Offices {}", "{} Workspace {}", "{} Tower {}")
FORMS = {"hotel": HOTEL, "restaurant": RESTAURANT, "retail": RETAIL, "spa": SPA, "office": OFFICE}
THAI_FORMS = {"hotel": "โรงแรม{}{}", "restaurant": "ร้านอาหาร{} {}", "retail": "ห้าง{}{}", "spa": "{}สปา {}", "office": "อาคาร{} {}"}
WORDS = (
    "Lotus", "Siam", "Orchid", "Jasmine", "Riverside", "Golden Elephant", "Banyan", "Coral", "Lantern", "Mango", "Pearl", "Teak", "Saffron", "Monsoon",
    "Tamarind", "Moonlight", "Blue Parrot", "Silk", "Bamboo", "Ivory", "Palm", "Emerald", "Cinnamon", "Sunrise", "Starling",
)  # fmt: skip
THAI_WORDS = ("ดอกบัว", "สยาม", "กล้วยไม้", "ริมน้ำ", "ช้างทอง", "ไข่มุก", "แสงจันทร์", "มะลิ", "พฤกษา", "เพชรนคร")
CITIES = {
    "Thailand": (
        ("Bangkok", "กรุงเทพ"),
        ("Chiang Mai", "เชียงใหม่"),
        ("Phuket", "ภูเก็ต"),
        ("Pattaya", "พัทยา"),
        ("Hua Hin", "หัวหิน"),
        ("Krabi", "กระบี่"),
        ("Koh Samui", "สมุย"),
    ),
    "Singapore": (("Singapore", "สิงคโปร์"),),
    "Vietnam": (("Hanoi", "ฮานอย"), ("Da Nang", "ดานัง")),
    "Malaysia": (("Penang", "ปีนัง"), ("Kuala Lumpur", "กัวลาลัมเปอร์")),
}
LONG_COMPANIES = (
    "The Grand Chao Phraya Riverside Convention Hotel, Serviced Residences & Spa Bangkok Sathorn",
    "โรงแรมแกรนด์เจ้าพระยาริเวอร์ไซด์คอนเวนชั่นแอนด์เซอร์วิสเรสซิเดนซ์ กรุงเทพมหานคร",
    "Krungthepmahanakhonamonrattanakosin Department Store",
    'Fish & Chips <Harbour> "No. 1"',
)
ZONES = (
    "Lobby", "Rooftop bar", "Pool", "Breakfast room", "Spa reception", "Ground floor", "Terrace", "Fitting rooms", "Elevators", "Garden",
    "ล็อบบี้", "ห้องอาหารเช้า",
)  # fmt: skip
NO_ADDRESSES = ("n/a", "info@", "ana at example.com", "two@example.com; three@example.com", "@example.org")
PLATFORMS = ("Raspberry Pi", "Android player", "Windows player", "Sonos", None)
